import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import type { Birth } from '../../../supervisor/engine/process.ts';
import { EngineProcess } from '../../../supervisor/engine/process.ts';
import type { Exit } from '../../../supervisor/failure/row.ts';
import type { Failure } from '../../../supervisor/failure/failure.ts';
import { logFiles } from '../../../supervisor/system/log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const noProgram = join(folder, 'words.txt');
writeFileSync(noProgram, 'no program\n', { mode: 0o644 });

test.each([
  ['is not there', join(folder, 'vllm'), [], 'config', /was not found/],
  ['may not be run', noProgram, [], 'config', /could not be started: .*EACCES/],
  ['is looked for inside a file', join(noProgram, 'vllm'), [], 'config', /could not be started: .*ENOTDIR/],
  ['is given more than the system passes on', process.execPath, ['x'.repeat(4_000_000)], 'spawn', /could not be started: .*E2BIG/],
])('a program that %s is told as a start that failed', async (_name, file, argv, failureClass, says) => {
  const engine = new EngineProcess({
    onUnwritten: () => {},
    clock: systemClock,
    worker: 'm',
    model: 'm',
    logs: logFiles(folder, 'm'),
    recordsDirectory: folder,
    scratchOf: () => join(folder, 'scratch'),
    sweepGraceMs: 1_000,
    isMarked: () => false,
  });
  const failures: Failure[] = [];
  const unexpected = (): never => expect.unreachable();
  await engine.start({ file, argv, args: [], env: {}, cwd: folder, maxNumSeqs: 1, scheduling: 'fcfs', maxModelLen: null }, {} as Birth, {
    onSpawned: unexpected,
    onSpawnFailed: (failure) => failures.push(failure),
    onProgress: unexpected,
    onExited: unexpected,
  });
  expect(failures).toMatchObject([{ class: failureClass, message: expect.stringMatching(says) }]);
});

/** A server with an engine core that takes no notice when that ends, as vLLM's where a start goes wrong in some ways. */
const SERVER = '(printf VLLM::EngineCor > /proc/self/comm; sleep 60 & wait) & echo "$!" > core.pid; sleep 60 & wait $!';

test.skipIf(!existsSync('/proc/self/comm'))(
  'a server that outlives its engine core is ended, and the core’s end is what is told',
  async () => {
    const engine = new EngineProcess({
      onUnwritten: () => {},
      clock: systemClock,
      worker: 'm',
      model: 'm',
      logs: logFiles(folder, 'outlived'),
      recordsDirectory: folder,
      scratchOf: () => join(folder, 'scratch'),
      sweepGraceMs: 1_000,
      isMarked: () => false,
      outlivesMs: 100,
    });
    const exited = Promise.withResolvers<Exit>();
    let leader = 0;
    const plan = {
      file: '/bin/sh',
      argv: ['-c', SERVER],
      args: [],
      env: { PATH: '/usr/bin:/bin' },
      cwd: folder,
      maxNumSeqs: 1,
      scheduling: 'fcfs' as const,
      maxModelLen: null,
    };
    await engine.start(plan, {} as Birth, {
      onSpawned: (pid) => (leader = pid),
      onSpawnFailed: () => expect.unreachable(),
      onProgress: () => {},
      onExited: exited.resolve,
    });
    try {
      // As many looks as it takes until it has been seen, however slow this machine is.
      for (let look = 0; look < 15; look += 1) await new Promise((done) => setTimeout(done, 120));
      process.kill(Number(readFileSync(join(folder, 'core.pid'), 'utf8')), 'SIGKILL');
      const exit = await exited.promise;
      expect(engine.ending(exit)).toMatchObject({ exit: { code: null, signal: null }, first: { name: 'VLLM::EngineCor' } });
    } finally {
      try {
        process.kill(-leader, 'SIGKILL');
      } catch {
        // It is gone.
      }
    }
  },
);
