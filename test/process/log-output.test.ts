import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/ports.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
/** Its lines are more than any pipe holds. */
const CALLS = 400;
const AT_ONCE = 20;

test.each([
  ['goes to a full disk', () => openSync('/dev/full', 'w')],
  ['is read by nobody', () => 'pipe' as const],
])('a gateway whose log %s serves, and ends when it is told to', { timeout: 180_000 }, async (_, output) => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-log-'));
  const [port, engine] = [await freePort(), await freePort(11)];
  const settings = { server: { port }, supervisor: { engine: 'sim', port_range: [engine, engine + 10] } };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  // What is piped and not listened to is not read.
  const headgate = spawn(process.execPath, [CLI], {
    cwd: folder,
    env: { ...process.env, SIM_START_MS: '100', SIM_SPEED: '0.01' },
    stdio: ['ignore', output(), 'ignore'],
  });
  const exited = once(headgate, 'exit');
  onTestFinished(() => void headgate.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  const chat = () =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 }),
    }).then(
      async (response) => (await response.text(), response.status),
      () => 0,
    );
  await expect.poll(chat).toBe(200);
  for (let call = 0; call < CALLS; call += AT_ONCE)
    expect(new Set(await Promise.all(Array.from({ length: AT_ONCE }, chat)))).toEqual(new Set([200]));
  headgate.kill('SIGINT');
  expect(await exited).toEqual([0, null]);
});
