import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readProcess } from '../../supervisor/system/processes.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

test('calls that came before Ctrl-C and were not yet heard are answered', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-ctrl-c-'));
  const port = await freePort();
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify({ server: { port }, workers: [{ url: 'http://127.0.0.1:9' }] }));
  await using headgate = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  await headgate.prints(/listening|Headgate/);
  // As where it gets no time from the machine: the kernel takes connections in for it.
  process.kill(headgate.child.pid!, 'SIGSTOP');
  const calls = Array.from({ length: 12 }, () =>
    fetch(`http://127.0.0.1:${port}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ prompt: 'Go on' }),
    }).then(async (answer) => (await answer.text()).length > 0 && answer.status),
  );
  // In steps: should this process stand still meanwhile, it sends what it has to send before it goes on.
  for (let step = 0; step < 10; step++) await new Promise((resolve) => setTimeout(resolve, 50));
  process.kill(headgate.child.pid!, 'SIGINT');
  process.kill(headgate.child.pid!, 'SIGCONT');
  const answers = await Promise.allSettled(calls);
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : String(answer.reason.cause)))).toEqual(
    Array.from(calls, () => 503),
  );
  expect(await headgate.exited).toBe(0);
});

test('a second Ctrl-C ends engines at once that do not heed the first', { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-ctrl-c-'));
  const [port, engine] = [await freePort(), await freePort(11)];
  // In order it would take a minute.
  const settings = { server: { port }, supervisor: { engine: 'sim', port_range: [engine, engine + 10] }, shutdown: { grace_ms: 60_000 } };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  await using headgate = run(process.execPath, [CLI], {
    cwd: folder,
    env: { SIM_FAULTS: '1', SIM_START_MS: '100', SIM_FAULT: 'ignore-sigterm' },
  });
  await headgate.prints(/Headgate is ready on/);
  const status = (await (await fetch(`http://127.0.0.1:${port}/admin/status`, { headers: AS_ADMIN })).json()) as {
    workers: { pid: number }[];
  };
  const { pid } = status.workers[0]!;
  const stream = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'Go on', stream: true, max_tokens: 4000, ignore_eos: true }),
  });
  expect(stream.status).toBe(200);
  // The gateway waits for its stream: the supervisor has not been told anything yet.
  process.kill(headgate.child.pid!, 'SIGINT');
  await headgate.prints(/draining/);
  expect(readProcess(pid)).not.toBeNull();
  // Sooner it would be the first one, heard twice.
  await new Promise((resolve) => setTimeout(resolve, 800));
  process.kill(headgate.child.pid!, 'SIGINT');
  expect(await headgate.exited).toBe(130);
  await expect.poll(() => readProcess(pid), { timeout: 60_000 }).toBeNull();
  await stream.body?.cancel().catch(() => {});
});
