import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { askState } from '../../gateway/link/ask-state.ts';
import { instancePrefix } from '../../supervisor/system/instance-id.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { readProcess } from '../../supervisor/system/processes.ts';
import { until } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

test('a gateway that is killed and started again serves with the worker that is there, and stops it when it is stopped', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-again-'));
  const [port, engine] = [await freePort(), await freePort(11)];
  const args = [CLI, '--port', String(port), '--engine', 'sim'];
  const options = {
    cwd: folder,
    env: { SIM_START_MS: '100', SIM_SPEED: '0.1', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` },
  };
  const url = `http://127.0.0.1:${port}`;
  const worker = async () =>
    ((await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as { workers: { pid: number; restarts: number }[] })
      .workers[0]!;

  await using first = run(process.execPath, args, options);
  await first.prints(/Headgate is ready on/);
  const before = await worker();
  first.child.kill('SIGKILL');
  expect(await first.exited).toBe('SIGKILL');

  await using second = run(process.execPath, args, options);
  await second.prints(/Headgate is ready on/);
  expect(await worker()).toMatchObject({ pid: before.pid, restarts: 0 });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 }),
  });
  expect(response.status).toBe(200);

  // Neither a simulation in place of vLLM nor another model than the one that was asked for.
  const refused = (...more: string[]) => run(process.execPath, [CLI, '--port', '0', ...more], options);
  await using real = refused('--engine', 'vllm');
  await using named = refused('--engine', 'sim', '--model', 'mistral-7b-instruct');
  expect(await real.exited).toBe(64);
  expect(real.output()).toMatch(/asks for vllm \(flag --engine\), and the supervisor that runs here already \(process \d+\) has the sim/);
  expect(await named.exited).toBe(64);
  expect(named.output()).toMatch(
    /asks for mistral-7b-instruct \(flag --model\), and .* has qwen2.5-1.5b-instruct-awq\. "headgate supervise --stop"/,
  );

  // The supervisor has no parent any more, but a gateway that follows it.
  const other = await freePort();
  await using third = run(process.execPath, [CLI, '--port', String(other), '--engine', 'sim'], options);
  await third.prints(/Headgate is ready on/);
  process.kill(third.child.pid!, 'SIGINT');
  expect(await third.exited).toBe(0);
  expect(third.output()).toMatch(/The supervisor goes on. The gateway of process \d+ uses it/);
  expect(await worker()).toMatchObject({ pid: before.pid, restarts: 0 });

  process.kill(second.child.pid!, 'SIGINT');
  expect(await second.exited).toBe(0);
  await until(() => !isAlive(before.pid), 'the worker has ended with them');
  expect(second.output()).not.toMatch(/started with other settings/);
});

test('what an earlier run has left behind is ended before anything is started', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-left-'));
  const [port, engine] = [await freePort(), await freePort(11)];
  const mark = `${instancePrefix(join(folder, '.headgate'))}worker-1:1`;
  await using left = run('sleep', ['600'], { env: { HEADGATE_INSTANCE_ID: mark } });
  await until(() => readFileSync(`/proc/${left.child.pid}/environ`, 'utf8').includes(mark), 'it bears the mark');
  const env = { SIM_START_MS: '100', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` };
  await using headgate = run(process.execPath, [CLI, '--port', String(port), '--engine', 'sim'], { cwd: folder, env });
  await headgate.prints(/Headgate is ready on/);
  expect(await left.exited).toBe('SIGTERM');
  expect(headgate.output()).not.toMatch(/The supervisor ended|unsettled/);
  process.kill(headgate.child.pid!, 'SIGINT');
  expect(await headgate.exited).toBe(0);
});

test('a second gateway in the same folder serves with the first one’s worker, and leaves it alone when it goes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-two-'));
  const [port, other, engine] = [await freePort(), await freePort(), await freePort(11)];
  const options = { cwd: folder, env: { SIM_START_MS: '100', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` } };
  const worker = async () =>
    (
      (await (await fetch(`http://127.0.0.1:${port}/admin/status`, { headers: AS_ADMIN })).json()) as {
        workers: { pid: number; state: string }[];
      }
    ).workers[0]!;
  await using first = run(process.execPath, [CLI, '--port', String(port), '--engine', 'sim'], options);
  await first.prints(/Headgate is ready on/);
  const before = await worker();
  await using second = run(process.execPath, [CLI, '--port', String(other), '--engine', 'sim', '--tuning', 'safe'], options);
  await second.prints(/Headgate is ready on/);
  await second.prints(/was started with other settings under supervisor or models/);
  process.kill(second.child.pid!, 'SIGINT');
  expect(await second.exited).toBe(0);
  expect(second.output()).toMatch(/The supervisor goes on/);
  expect(await worker()).toMatchObject({ pid: before.pid, state: 'ready' });
  process.kill(first.child.pid!, 'SIGINT');
  expect(await first.exited).toBe(0);
  expect(isAlive(before.pid)).toBe(false);
});

test('the gateway that has started the supervisor leaves it to another that uses it, which stops it in the end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-given-'));
  const [port, other, engine] = [await freePort(), await freePort(), await freePort(11)];
  const options = { cwd: folder, env: { SIM_START_MS: '100', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` } };
  await using first = run(process.execPath, [CLI, '--port', String(port), '--engine', 'sim'], options);
  await first.prints(/is ready on/);
  await using second = run(process.execPath, [CLI, '--port', String(other), '--engine', 'sim'], options);
  await second.prints(/is ready on/);
  const before = await askState(join(folder, '.headgate', 'control.sock'));
  process.kill(first.child.pid!, 'SIGINT');
  expect(await first.exited).toBe(0);
  expect(first.output()).toMatch(new RegExp(`The supervisor goes on. The gateway of process ${second.child.pid} uses it`));
  const after = await askState(join(folder, '.headgate', 'control.sock'));
  expect(after).toMatchObject({ pid: before!.pid, workers: [{ pid: before!.workers[0]!.pid, state: 'ready' }] });
  const response = await fetch(`http://127.0.0.1:${other}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'Hello', max_tokens: 2 }),
  });
  expect(response.status).toBe(200);
  process.kill(second.child.pid!, 'SIGINT');
  expect(await second.exited).toBe(0);
  expect([before!.pid, before!.workers[0]!.pid!].filter((pid) => readProcess(pid) !== null)).toEqual([]);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
