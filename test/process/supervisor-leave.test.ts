import { readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fakeEngineSettings, superviseHere } from '../supervisor/support/running-supervisor.ts';

test('a supervisor that is told to leave its engines ends, they go on, and the next one takes them over', { timeout: 60_000 }, async () => {
  const settings = await fakeEngineSettings('ready');
  const first = await superviseHere(settings);
  const before = await first.worker(({ state }) => state === 'ready');
  expect(await first.post('/v1/stop?leave=engines')).toBe(202);
  expect(await first.exitCode).toBe(0);
  expect(first.processes()).toContain(before.pid);

  const second = await superviseHere(settings, {}, first.folder);
  expect(await second.worker(({ state }) => state === 'ready')).toMatchObject({ pid: before.pid, restarts: 0 });

  // The same by a signal.
  second.signal('SIGUSR2');
  expect(await second.exitCode).toBe(0);
  expect(second.processes()).toContain(before.pid);
  const third = await superviseHere(settings, {}, first.folder);
  expect(await third.worker(({ state }) => state === 'ready')).toMatchObject({ pid: before.pid });
  third.signal('SIGTERM');
  expect(await third.exitCode).toBe(0);
  expect(third.processes()).toEqual([]);
});

test(
  'an engine whose model is the first no more, or whose log was cleared away, is taken over all the same',
  { timeout: 60_000 },
  async () => {
    const [old, other] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct'];
    const settings = await fakeEngineSettings('ready', { models: [old] });
    const first = await superviseHere(settings);
    const before = await first.worker(({ state }) => state === 'ready');
    first.signal('SIGUSR2');
    expect(await first.exitCode).toBe(0);

    const second = await superviseHere({ ...settings, models: [other, old] }, {}, first.folder);
    expect(await second.worker(({ state }) => state === 'ready')).toMatchObject({
      ...{ pid: before.pid, restarts: 0, models: [{ id: old }] },
      logFile: readlinkSync(`/proc/${before.pid}/fd/1`),
    });
    second.signal('SIGUSR2');
    expect(await second.exitCode).toBe(0);

    rmSync(join(first.folder, '.headgate', 'logs'), { recursive: true });
    const third = await superviseHere({ ...settings, models: [other, old] }, {}, first.folder);
    expect(await third.worker(({ state }) => state === 'ready')).toMatchObject({ pid: before.pid });
    // Its death is still seen, and what comes after it has a log again.
    process.kill(before.pid!, 'SIGKILL');
    const after = await third.worker(({ state, pid }) => state === 'ready' && pid !== before.pid);
    expect(after.logFile).toBe(readlinkSync(`/proc/${after.pid}/fd/1`));
    third.signal('SIGTERM');
    expect(await third.exitCode).toBe(0);
    expect(third.processes()).toEqual([]);
  },
);

test('a drained worker says so until it is put back', { timeout: 60_000 }, async () => {
  const supervisor = await superviseHere(await fakeEngineSettings('ready'));
  const before = await supervisor.worker(({ state }) => state === 'ready');
  expect(await supervisor.post('/v1/workers/worker-1/undrain')).toBe(409);
  expect(await supervisor.post('/v1/workers/worker-1/drain')).toBe(202);
  await supervisor.worker(({ state }) => state === 'drained');
  expect(supervisor.processes()).toEqual([]);
  expect(await supervisor.post('/v1/workers/worker-1/drain')).toBe(409);
  expect(await supervisor.post('/v1/workers/worker-1/undrain')).toBe(202);
  const after = await supervisor.worker(({ state }) => state === 'ready');
  expect(after.pid).not.toBe(before.pid);
});
