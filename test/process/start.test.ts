import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test("the README's start command launches the simulated engine, says so, answers a request, and SIGTERM to npm itself ends all of it with 0", async () => {
  const [port, engine] = [await freePort(), await freePort(11)];
  await using headgate = run('npm', ['start', '--', '--port', String(port), '--engine', 'sim'], {
    cwd: ROOT,
    env: {
      HEADGATE_SUPERVISOR__STATE_DIR: mkdtempSync(join(tmpdir(), 'headgate-start-')),
      HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 1}]`,
    },
  });
  const [line] = await headgate.prints(/Headgate is ready on .*/);
  expect(line).toContain(`http://127.0.0.1:${port}`);
  expect(line).toContain('simulated');
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], stream: true, max_tokens: 8 }),
  });
  expect(response.status).toBe(200);
  expect((await response.text()).endsWith('data: [DONE]\n\n')).toBe(true);
  const status = (await (await fetch(`http://127.0.0.1:${port}/admin/status`, { headers: AS_ADMIN })).json()) as {
    workers: { pid: number }[];
  };
  const pid = status.workers[0]!.pid;
  expect(isAlive(pid)).toBe(true);

  // As systemd or a container's runtime does. npm passes the signal on, and no shell of its own may stand in the way.
  const runtime = (await (await fetch(`http://127.0.0.1:${port}/debug/runtime`, { headers: AS_ADMIN })).json()) as { pid: number };
  process.kill(headgate.child.pid!, 'SIGTERM');
  expect(await headgate.exited).toBe(0);
  expect(isAlive(runtime.pid)).toBe(false);
  expect(isAlive(pid)).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
