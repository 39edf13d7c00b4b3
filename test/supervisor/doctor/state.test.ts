import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { defaultSettings } from '../../../gateway/config/schema/settings.ts';
import { examineState } from '../../../supervisor/doctor/state.ts';
import { startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway } from '../../support/gateway.ts';
import { scratchFolder } from '../support/scratch.ts';

function settingsOf(stateDir: string, port: number) {
  const { server, supervisor, ...rest } = defaultSettings();
  return { ...rest, server: { ...server, port }, supervisor: { ...supervisor, state_dir: stateDir } };
}

test('the gateway of this folder does not stand in the way of its own supervisor, and is told of', async () => {
  const folder = scratchFolder();
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], {}, undefined, folder);
  const { problems, warnings } = await examineState(settingsOf(folder, gateway.port), '/');
  expect(problems.filter((each) => each.includes('server.port'))).toEqual([]);
  expect(warnings).toContain(`The gateway of this folder runs (process ${process.pid}, ${gateway.url}); it has no supervisor.`);
  // That of another folder does.
  const elsewhere = await examineState(settingsOf(scratchFolder(), gateway.port), '/');
  expect(elsewhere.problems).toContain(`Port ${gateway.port} of server.port is taken: end what listens there, or set another.`);
});

test('another program on the port does stand in the way', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { problems } = await examineState(settingsOf(scratchFolder(), port), '/');
  expect(problems).toContain(`Port ${port} of server.port is taken: end what listens there, or set another.`);
  await new Promise((resolve) => server.close(resolve));
});
