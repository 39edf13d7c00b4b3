import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';

const HEADGATE = fileURLToPath(new URL('../../headgate', import.meta.url));

test('a gateway and a supervisor as two services: either may come first, and neither takes the other along', async () => {
  const [port, engine] = [await freePort(), await freePort(11)];
  const options = {
    cwd: scratchFolder(),
    env: { SIM_SPEED: '0.01', HEADGATE_SUPERVISOR__ENGINE: 'sim', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 10}]` },
  };
  const gateway = () => run(HEADGATE, ['gateway', '--supervised', '--port', String(port)], options);
  const chat = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 }),
    });
    await response.arrayBuffer();
    return response.status;
  };

  await using first = gateway();
  await first.prints(new RegExp(join(options.cwd, '.headgate', 'control.sock').replaceAll('.', '\\.')));
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
  await using supervisor = run(HEADGATE, ['supervise'], options);
  await first.prints(/Headgate is ready on .* simulated/);
  expect(await chat()).toBe(200);

  process.kill(first.child.pid!, 'SIGINT');
  expect(await first.exited).toBe(0);
  expect(supervisor.child.exitCode).toBe(null);
  await using second = gateway();
  await second.prints(/Headgate is ready on .* simulated/);
  expect(await chat()).toBe(200);

  process.kill(supervisor.child.pid!, 'SIGTERM');
  expect(await supervisor.exited).toBe(0);
  await until(async () => (await chat()) === 503, 'calls are refused politely');
  expect(second.child.exitCode).toBe(null);
});
