import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { portHolder } from '../../scripts/commands/keeping/port-holder.ts';
import { watchTerminal } from '../../scripts/commands/keeping/terminal.ts';
import { readProcess } from '../../supervisor/system/processes.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

/** Runs a command on a terminal of its own, and closes that when the file appears. */
const ON_A_TERMINAL = `
import os, pty, sys, time
mark, pid_file, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
open(pid_file, 'w').write(str(pid))
os.set_blocking(terminal, False)
end = time.time() + 60
while not os.path.exists(mark) and time.time() < end:
    try: sys.stdout.write(os.read(terminal, 65536).decode('utf8', 'replace')); sys.stdout.flush()
    except BlockingIOError: time.sleep(0.02)
os.close(terminal)
os.waitpid(pid, 0)
`;
const HAS_TERMINALS = spawnSync('python3', ['-c', 'import pty']).status === 0;

test.skipIf(!HAS_TERMINALS)('closing the terminal ends what was started on it (needs python3)', { timeout: 60_000 }, async () => {
  const folder = scratchFolder();
  const [port, engine] = [await freePort(), await freePort(11)];
  const [mark, pidFile] = [join(folder, 'close'), join(folder, 'pid')];
  const env = { SIM_START_MS: '100', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` };
  const command = [process.execPath, CLI, '--port', String(port), '--engine', 'sim'];
  await using terminal = run('python3', ['-c', ON_A_TERMINAL, mark, pidFile, ...command], { cwd: folder, env });
  await terminal.prints(/is ready on/);
  const gateway = Number(readFileSync(pidFile, 'utf8'));
  const { pid: supervisor } = JSON.parse(readFileSync(join(folder, '.headgate', 'control.json'), 'utf8')) as { pid: number };
  spawnSync('touch', [mark]);
  await until(() => readProcess(gateway) === null && readProcess(supervisor) === null, 'gateway and supervisor have ended');
  expect(await terminal.exited).toBe(0);
  expect(existsSync(join(folder, '.headgate', 'control.json'))).toBe(false);
  expect(readFileSync(join(folder, '.headgate', 'events-gateway.jsonl'), 'utf8')).toContain('The terminal that it was started on is gone');
});

test('a hang-up is that of the terminal only where there was one and it is gone', () => {
  const there = new Set([0, 2]);
  const isGone = watchTerminal((fd) => there.has(fd));
  expect(isGone()).toBe(false);
  there.delete(0);
  expect(isGone()).toBe(false);
  there.delete(2);
  expect(isGone()).toBe(true);
  expect(watchTerminal(() => false)()).toBe(false);
});

test('a port in use names the Headgate that has it, its process and how to end it', { timeout: 60_000 }, async () => {
  const folder = scratchFolder();
  const port = await freePort();
  const args = [CLI, 'gateway', '--worker', 'http://127.0.0.1:1', '--port', String(port)];
  await using first = run(process.execPath, args, { cwd: folder });
  await first.prints(/gateway on http/);
  await using second = run(process.execPath, args, { cwd: folder });
  expect(await second.exited).toBe(69);
  expect(second.output()).toMatch(
    new RegExp(
      `Headgate [\\w.-]+ runs there already \\(process ${first.child.pid}\\): http://127.0.0.1:${port} .* "kill ${first.child.pid}" stops it`,
    ),
  );
});

test('a port in use by another program names that', async () => {
  const server = createServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .end('220 mail\r\n'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  expect(await portHolder('127.0.0.1', port)).toMatch(new RegExp(`^Process ${process.pid} listens there`));
  await new Promise((resolve) => server.close(resolve));
  expect(await portHolder('0.0.0.0', port)).toBe('Another program listens there; --port takes another port.');
});

test.each(['server.probe_port', 'admin.port'] as const)('a port in use names its own setting, %s, and not another', async (setting) => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const args = [CLI, 'gateway', '--worker', 'http://127.0.0.1:1', '--port', String(await freePort())];
  const env = { [`HEADGATE_${setting.replace('.', '__').toUpperCase()}`]: String(port) };
  await using second = run(process.execPath, args, { cwd: scratchFolder(), env });
  expect(await second.exited).toBe(69);
  await new Promise((resolve) => server.close(resolve));
  const line = second.output().match(/cannot listen.*/)?.[0];
  expect(line).toMatch(
    new RegExp(`^cannot listen on ${setting}: .*:${port}\\. Process ${process.pid} listens there .*; set ${setting} to another port\\.$`),
  );
  expect(line).not.toContain('--port');
});
