import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ADMIN_KEY } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in a folder until it ends. */
function headgate(cwd: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY };
    execFile(process.execPath, [CLI, ...args], { cwd, env, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });
}

test('a mistake in the settings takes no command away that only asks what runs, or reads what is on record', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const folder = scratchFolder();
  const file = [`server: { port: ${new URL(gateway.url).port} }`, 'batch_window: { windw_ms: 20 }', 'retry: { max_atempts: 1 }'];
  writeFileSync(join(folder, 'headgate.yaml'), `${file.join('\n')}\n`);
  mkdirSync(join(folder, '.headgate', 'logs'), { recursive: true });
  writeFileSync(join(folder, '.headgate', 'logs', 'worker-1.log'), 'what it printed\n');
  const entry = { at: new Date().toISOString(), by: 'gateway', process: 1, level: 'info', event: 'gateway.start', msg: 'It serves.' };
  writeFileSync(join(folder, '.headgate', 'events-gateway.jsonl'), `${JSON.stringify(entry)}\n`);

  const [status, events, logs, drain, stop, doctor, check, flag] = await Promise.all([
    headgate(folder, 'status'),
    headgate(folder, 'events'),
    headgate(folder, 'logs'),
    headgate(folder, 'drain', 'nobody'),
    headgate(folder, 'supervise', '--stop'),
    headgate(folder, 'doctor', '--engine', 'sim'),
    headgate(folder, 'check'),
    headgate(folder, 'status', '--port', 'nowhere'),
  ]);
  const warning = 'headgate: warning: headgate.yaml:2:17: batch_window.windw_ms: unknown key; did you mean window_ms? and 1 more';
  for (const { err } of [status, events, logs, drain, stop, doctor]) {
    expect(err).toContain(warning);
    expect(err.split('\n').filter((line) => line.includes('warning')).length).toBe(1);
  }
  expect(status).toMatchObject({ code: 0, out: expect.stringContaining('in flight 0') as unknown });
  expect(events).toMatchObject({ code: 0, out: expect.stringContaining('It serves.') as unknown });
  expect(logs).toMatchObject({ code: 0, out: expect.stringMatching(/worker-1 .*what it printed\n/) as unknown });
  expect(drain).toMatchObject({ code: 1, err: expect.stringContaining('There is no worker nobody') as unknown });
  expect(stop).toMatchObject({ code: 1, err: expect.stringContaining('no supervisor runs here') as unknown });
  expect(doctor.code).toBe(1);
  expect(doctor.out).toMatch(/Stands in the way\n {2}headgate\.yaml:2:17: .*\n {2}headgate\.yaml:3:10: /);
  // Those whose business the settings are say what is wrong with them, and so does a flag that was mistyped just now.
  expect(check.code).toBe(64);
  expect(flag.code).toBe(64);
  expect(flag.err).toContain('flag --port');
});

test('reload tells what changed, what waits for a restart, and what is wrong with the new settings', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  const folder = scratchFolder();
  const reload = () => headgate(folder, 'reload', '--port', String(gateway.port));
  gateway.settings = { batch_window: { window_ms: 20 }, server: { probe_port: 1 }, retry: { max_attempts: 1 } };
  const first = await reload();
  expect(first.code).toBe(0);
  expect(first.out).toBe(
    `The gateway on ${gateway.url} has read its settings anew.\nin force from now on: batch_window.window_ms, retry.max_attempts\nonly after a restart: server.probe_port\n`,
  );
  gateway.settings = { batch_window: { window_ms: -1 } };
  // The folder's own settings are of no use here, and say nothing: the gateway does.
  writeFileSync(join(folder, 'headgate.yaml'), 'nothing: 1\n');
  const second = await reload();
  expect(second.code).toBe(64);
  expect(second.err).toMatch(
    /^headgate: The new settings are not valid; the old ones stay\. headgate\.yaml:1:\d+: batch_window\.window_ms: .*\n$/,
  );
});

test('a command that lacks a word says which, and a name that nothing has is told in whole sentences', async () => {
  const folder = scratchFolder();
  mkdirSync(join(folder, '.headgate', 'logs'), { recursive: true });
  writeFileSync(join(folder, '.headgate', 'logs', 'worker-1.log'), 'what it printed\n');
  const entry = {
    at: new Date().toISOString(),
    by: 'gateway',
    process: 1,
    level: 'info',
    event: 'worker.ready',
    msg: 'x',
    worker: 'worker-1',
  };
  writeFileSync(join(folder, '.headgate', 'events-gateway.jsonl'), `${JSON.stringify(entry)}\n`);
  const [restart, swap, logs, events, section, other] = await Promise.all([
    headgate(folder, 'restart'),
    headgate(folder, 'swap'),
    headgate(folder, 'logs', 'nope'),
    headgate(folder, 'events', '--worker', 'nope'),
    headgate(folder, 'explain', 'batch_window.guardrail'),
    headgate(folder, 'explain', 'batch_windw'),
  ]);
  expect(restart).toEqual({
    code: 2,
    out: '',
    err: 'headgate: WORKER is missing: headgate restart WORKER\n"headgate help restart" tells its usage.\n',
  });
  expect(swap).toEqual({
    code: 2,
    out: '',
    err: 'headgate: MODEL is missing: headgate swap MODEL\n"headgate help swap" tells its usage.\n',
  });
  expect(logs.err).toBe('headgate: there is no log of a worker nope. There are those of worker-1.\n');
  expect(events.err).toBe('headgate: nothing is on record of a worker nope. On record: worker-1.\n');
  expect(section.out.split('\n').map((line) => line.trim().split(' ')[0])).toEqual([
    '#',
    'batch_window:',
    'guardrail:',
    'p95_slo_ms:',
    'enabled:',
    '',
  ]);
  expect(other).toEqual({ code: 2, out: '', err: 'headgate: there is no section or setting batch_windw; did you mean batch_window?\n' });
});
