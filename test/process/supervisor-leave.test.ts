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
