import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { settingsSchema } from '../../gateway/config/schema/settings.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { fakeEngineSettings, superviseHere, watching } from '../supervisor/support/running-supervisor.ts';

const isReady = (view: { state: string }) => view.state === 'ready';

describe('a supervisor and its engine', { timeout: 180_000 }, () => {
  test('launches it, reports it ready, stops it in order and leaves nothing behind', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('good'));
    const view = await supervisor.worker(isReady);
    expect(view).toMatchObject({
      stage: 'ready',
      restarts: 0,
      lastFailure: null,
      models: [{ id: 'qwen2.5-1.5b-instruct-awq', maxModelLen: 4096 }],
    });
    expect(await supervisor.state()).toMatchObject({ vllmVersion: '0.0.0-fake', profile: 'none', tuning: 'balanced' });
    expect(supervisor.processes()).toEqual([view.pid]);
    expect(await supervisor.post('/v1/stop')).toBe(202);
    expect(await supervisor.exitCode).toBe(0);
    expect(supervisor.processes()).toEqual([]);
    expect(existsSync(join(supervisor.folder, '.headgate', 'control.sock'))).toBe(false);
    expect(existsSync(join(supervisor.folder, '.headgate', 'workers', 'worker-1.json'))).toBe(false);
    expect(supervisor.log.filter(({ event }) => event === 'worker.state').map(({ state }) => state)).toEqual([
      'starting',
      'warming',
      'ready',
      'draining',
      'stopping',
      'idle',
    ]);
  });

  test('starts it again when it ends by itself, even with code 0', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('good'));
    const first = await supervisor.worker(isReady);
    await fetch(`${first.url}/die`).catch(() => null);
    const second = await supervisor.worker((view) => isReady(view) && view.restarts === 1);
    expect(second.pid).not.toBe(first.pid);
    expect(second.lastFailure).toMatchObject({ phase: 'serving', message: expect.stringContaining('with code 0') });
  });

  test('ends what its dead leader has orphaned before there is another', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('orphan'));
    const first = await supervisor.worker(isReady);
    const before = supervisor.processes();
    expect(before).toHaveLength(2);
    process.kill(first.pid!, 'SIGKILL');
    await supervisor.worker((view) => isReady(view) && view.restarts === 1);
    const after = supervisor.processes();
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
  });

  test('kills the whole group of one that does not listen', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('deaf'));
    await supervisor.worker(isReady);
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode).toBe(0);
    expect(supervisor.processes()).toEqual([]);
  });

  test('ends everything at once at the second signal', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('deaf'));
    await supervisor.worker(isReady);
    supervisor.signal('SIGINT');
    supervisor.signal('SIGINT');
    expect(await supervisor.exitCode).toBe(130);
    await expect.poll(() => supervisor.processes()).toEqual([]);
  });

  test('does not repeat a start with a wrong flag, says what is wrong, and starts again when told', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('bad-flag'));
    const view = await supervisor.worker(({ state }) => state === 'failed');
    expect(view).toMatchObject({ restarts: 0, lastFailure: { class: 'config', message: expect.stringContaining('--swap-space') } });
    expect(await supervisor.post('/v1/workers/worker-1/drain')).toBe(409);
    expect(await supervisor.post('/v1/workers/worker-1/restart')).toBe(202);
    await supervisor.worker(({ state, restarts }) => state === 'failed' && restarts === 1);
  });

  test('gives up on starts that fail in the same way again and again, and keeps the log', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('broken'));
    const view = await supervisor.worker(({ state }) => state === 'failed');
    expect(view).toMatchObject({
      restarts: 2,
      lastFailure: { class: 'engine-start', message: expect.stringContaining('tensor of size 7') },
    });
    expect(readFileSync(view.logFile!.replace(/\.log$/, '.failed.log'), 'utf8')).toContain('tensor of size 7');
  });

  test('leaves one in service whose server is too busy to answer', async () => {
    const patience = { healthIntervalMs: 50, lateMs: 50, frozenMs: 1500 };
    const supervisor = await superviseHere(await fakeEngineSettings('ready'), {}, undefined, patience);
    const view = await supervisor.worker(({ state }) => state === 'ready');
    await fetch(`${view.url}/busy`);
    await new Promise((done) => setTimeout(done, 3500));
    expect(await supervisor.worker(() => true)).toMatchObject({ state: 'ready', pid: view.pid, lastFailure: null });
  });

  test('moves to another port when the engine finds its own taken', async () => {
    const settings = await fakeEngineSettings('port-taken');
    const [port] = settings.supervisor!.port_range!;
    const supervisor = await superviseHere(settings, { VLLM_FAKE_BAD_PORT: String(port) });
    const view = await supervisor.worker(isReady);
    expect(view.port).not.toBe(port);
    expect(view.lastFailure).toMatchObject({ class: 'port' });
  });

  test('reports a program that is not there', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('good', { supervisor: { vllm_command: ['no-such-vllm', 'serve'] } }));
    const view = await supervisor.worker(({ state }) => state === 'failed');
    expect(view.lastFailure).toMatchObject({ class: 'config', message: expect.stringContaining('no-such-vllm') });
  });

  test('drains a worker on request and starts it again on request', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('good'));
    await supervisor.worker(isReady);
    expect(await supervisor.post('/v1/workers/worker-1/drain')).toBe(202);
    await supervisor.worker(({ state }) => state === 'drained');
    expect(await supervisor.post('/v1/workers/worker-1/restart')).toBe(202);
    await supervisor.worker(isReady);
  });

  test('runs as many as it is told to', async () => {
    const supervisor = await superviseHere(await fakeEngineSettings('good', { supervisor: { replicas: 2 } }));
    await supervisor.worker(isReady);
    await expect.poll(async () => (await supervisor.state()).workers.map(({ state }) => state)).toEqual(['ready', 'ready']);
    expect(new Set((await supervisor.state()).workers.map(({ port }) => port)).size).toBe(2);
  });
});

describe('two supervisors in one folder', { timeout: 180_000 }, () => {
  test('the second leaves at once and the first goes on', async () => {
    const settings = await fakeEngineSettings('good');
    const first = await superviseHere(settings);
    await first.worker(isReady);
    const second = await superviseHere(settings, {}, first.folder);
    expect(await second.exitCode).toBe(1);
    expect(second.log).toContainEqual(expect.objectContaining({ msg: expect.stringContaining('another supervisor') }));
    expect((await first.state()).workers[0]).toMatchObject({ state: 'ready' });
  });

  test('of several that start at once one runs, and the others leave', async () => {
    const settings = await fakeEngineSettings('good');
    const folder = scratchFolder();
    const all = await Promise.all(Array.from({ length: 5 }, () => superviseHere(settings, {}, folder)));
    const codes: number[] = [];
    for (const { exitCode } of all) void exitCode.then((code) => codes.push(code));
    const { pid } = await all[0]!.worker(isReady);
    await expect.poll(() => codes).toEqual([1, 1, 1, 1]);
    expect(all[0]!.processes()).toEqual([pid]);
    expect(all.flatMap(({ log }) => log).filter(({ event }) => event === 'worker.leftover')).toEqual([]);
  });

  test('one that follows one that was killed takes over the worker it finds, as it is', async () => {
    const { input, folder, left, pid } = await leftBehind('pair');
    const next = await superviseHere(input, {}, folder);
    const view = await next.worker(isReady);
    expect(view).toMatchObject({ pid, restarts: 0 });
    expect(next.processes()).toEqual(left);
    expect(next.log).toContainEqual(expect.objectContaining({ event: 'worker.adopted', pid }));
    expect(next.log.some(({ event }) => event === 'worker.leftover')).toBe(false);
  });

  test('and ends with it in order, or starts it again when it dies', async () => {
    const { input, folder, pid } = await leftBehind('pair');
    const next = await superviseHere(input, {}, folder);
    const view = await next.worker(isReady);
    await fetch(`${view.url}/die`).catch(() => null);
    const again = await next.worker((now) => isReady(now) && now.pid !== pid);
    expect(again).toMatchObject({ restarts: 1, lastFailure: { phase: 'serving' } });
    next.signal('SIGTERM');
    expect(await next.exitCode).toBe(0);
    expect(next.processes()).toEqual([]);
  });

  test('but not one that is not what is wanted any more: that is ended first, and gives back the only port', async () => {
    const { input, folder, left, port } = await leftBehind('pair');
    const changed: SettingsInput = {
      supervisor: { ...input.supervisor, port_range: [port, port] },
      models: [{ id: 'qwen2.5-1.5b-instruct-awq', engine: { max_num_seqs: 8 } }],
    };
    const next = await superviseHere(changed, {}, folder);
    await next.worker(isReady);
    expect(next.processes().filter((pid) => left.includes(pid))).toEqual([]);
    expect(next.log).toContainEqual(expect.objectContaining({ event: 'worker.leftover' }));
  });

  test('nor one that does not answer', async () => {
    const { input, folder, left, pid } = await leftBehind('pair');
    // Its leader is gone and only the engine is left.
    process.kill(pid, 'SIGKILL');
    const next = await superviseHere(input, {}, folder);
    await next.worker(isReady);
    expect(next.processes().filter((one) => left.includes(one))).toEqual([]);
  });
});

/** A ready worker whose supervisor was killed. */
async function leftBehind(mode: string) {
  const input = await fakeEngineSettings(mode);
  const folder = scratchFolder();
  const before = watching(settingsSchema.parse(input), folder);
  const program = fileURLToPath(new URL('../supervisor/support/supervise.ts', import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(input)], { cwd: folder, stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const pid of before.processes()) process.kill(pid, 'SIGKILL');
  });
  const ready = () =>
    before.state().then(
      ({ workers }) => workers[0]?.state,
      () => null,
    );
  await expect.poll(ready, { timeout: 60_000 }).toBe('ready');
  const worker = (await before.state()).workers[0]!;
  const [pid, port] = [worker.pid!, worker.port!];
  const left = before.processes();
  expect(left).toHaveLength(2);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(before.processes()).toEqual(left);
  return { input, folder, left, pid, port };
}

test('settings that name what is not there end it with 64 before anything is touched', async () => {
  const supervisor = await superviseHere({ supervisor: { profile: 't5' } });
  expect(await supervisor.exitCode).toBe(64);
  // But that it came to nothing can be asked for later.
  expect(readdirSync(join(supervisor.folder, '.headgate'))).toEqual(['events-supervisor.jsonl']);
  expect(readFileSync(join(supervisor.folder, '.headgate', 'events-supervisor.jsonl'), 'utf8')).toContain('there is no t5');
});

test('where no model can be had nothing is started: it ends with the reason; one of several leaves the others to serve', async () => {
  const settings = await fakeEngineSettings('ready', { models: ['./nowhere'] });
  const alone = await superviseHere(settings);
  expect(await alone.exitCode).toBe(64);
  expect(alone.log.at(-1)).toMatchObject({
    event: 'supervisor.failed',
    msg: expect.stringMatching(/models\[0\]\.id: .*there is no folder .*nowhere/),
  });

  // Neither are weights fetched that are known to be too large.
  const large = { id: 'mine', source: 'google/gemma-3-12b-it', engine: { max_model_len: 4096 } };
  const tooLarge = await superviseHere({ models: [large], supervisor: { engine: 'sim', profile: 'rtx-4080' } });
  expect(await tooLarge.exitCode).toBe(64);
  expect(tooLarge.log.at(-1)!['msg']).toMatch(/weights alone take .* Choose gemma-3-12b-it/);

  const several = await superviseHere({ ...settings, models: ['./nowhere', 'qwen2.5-1.5b-instruct-awq'] });
  expect(await several.worker(({ state }) => state === 'ready')).toMatchObject({ models: [{ id: 'qwen2.5-1.5b-instruct-awq' }] });
  expect(several.log).toContainEqual(
    expect.objectContaining({ level: 'warn', msg: expect.stringMatching(/there is no folder .*nowhere/) }),
  );
});

test('a hang-up that changes nothing is not taken down as another beginning', async () => {
  const supervisor = await superviseHere(await fakeEngineSettings('ready'));
  await supervisor.worker(({ state }) => state === 'ready');
  const beginnings = () => supervisor.log.filter(({ event }) => event === 'supervisor.start').length;
  const before = beginnings();
  supervisor.signal('SIGHUP');
  expect(supervisor.log.at(-1)!['msg']).toContain('SIGHUP changes nothing here');
  expect(beginnings()).toBe(before);
});
