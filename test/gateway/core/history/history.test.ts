import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HistoryFile, historyPath } from '../../../../gateway/core/history/history-file.ts';
import { keepHistory } from '../../../../gateway/core/history/keep-history.ts';
import { lostLife } from '../../../../gateway/core/history/lost-life.ts';
import { entriesOf, failuresIn, readHistory } from '../../../../gateway/core/history/read-history.ts';
import { collectedLog } from '../../../support/collected-log.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { run } from '../../../support/process.ts';
import { scratchFolder } from '../../../supervisor/support/scratch.ts';

type By = 'gateway' | 'supervisor';

function historyOf(stateDir: string, by: By = 'supervisor', more: { maxBytes?: number; clock?: ReturnType<typeof createFakeClock> } = {}) {
  const unwritten: string[] = [];
  const clock = more.clock ?? createFakeClock();
  const file = new HistoryFile({ stateDir, by, clock, onUnwritten: (reason) => unwritten.push(reason), ...more });
  return { file, clock, unwritten };
}

const messages = (entries: readonly { msg: string }[]) => entries.map(({ msg }) => msg);

/** A line as another process, or another life, would have written it. */
function line(by: By, at: string, event: string, more: object = {}): string {
  return `${JSON.stringify({ at, by, process: 1, level: 'info', event, msg: `${by} ${event} ${at}`, ...more })}\n`;
}

describe('the history', () => {
  test('is there to be read as soon as it is written, with what the log line had and no more', () => {
    const folder = scratchFolder();
    const { file } = historyOf(folder);
    file.add('warn', 'worker.failure', 'out of memory', { worker: 'worker-1', class: 'oom-kv', ...{ prompt: 'secret' } });
    expect(entriesOf(folder, 'supervisor')).toEqual([
      {
        at: '2026-01-01T00:00:00.000Z',
        by: 'supervisor',
        process: process.pid,
        level: 'warn',
        event: 'worker.failure',
        msg: 'out of memory',
        worker: 'worker-1',
        class: 'oom-kv',
      },
    ]);
    expect(statSync(historyPath(folder, 'supervisor')).mode & 0o077).toBe(0);
  });

  test('loses half a line and no more where the machine went down in the middle of one', () => {
    const folder = scratchFolder();
    const { file } = historyOf(folder);
    file.add('info', 'supervisor.start', 'one');
    appendFileSync(historyPath(folder, 'supervisor'), '{"at":"2026-01-01T00:00:00.000Z","by":"superv');
    expect(messages(entriesOf(folder, 'supervisor'))).toEqual(['one']);
    file.add('info', 'supervisor.end', 'two');
    expect(messages(entriesOf(folder, 'supervisor'))).toEqual(['one', 'two']);
  });

  test.each(['null', '7', '{}', '{"at":"yesterday","by":"gateway","event":"e","msg":"m"}', '\u0000\u0000\u0000', '[]'])(
    'reads past a line that says %j',
    (bad) => {
      const folder = scratchFolder();
      writeFileSync(historyPath(folder, 'gateway'), `${bad}\n${line('gateway', '2026-01-01T00:00:00.000Z', 'breaker')}`);
      expect(entriesOf(folder, 'gateway')).toHaveLength(1);
    },
  );

  test('keeps the newest within twice its bound', () => {
    const folder = scratchFolder();
    const { file } = historyOf(folder, 'gateway', { maxBytes: 1000 });
    for (let i = 0; i < 100; i += 1) file.add('info', 'breaker', `entry ${i}`);
    const kept = messages(entriesOf(folder, 'gateway'));
    expect(kept.at(-1)).toBe('entry 99');
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => `entry ${100 - kept.length + i}`));
    const path = historyPath(folder, 'gateway');
    const sizes = [path, `${path}.1`].map((file) => (existsSync(file) ? statSync(file).size : 0));
    expect(Math.max(...sizes)).toBeLessThan(1200);
    expect(kept.length).toBeGreaterThan(4);
  });

  test('that cannot be written costs one line of the log, and again one after it could be', () => {
    const folder = scratchFolder();
    const { file, unwritten } = historyOf(folder);
    mkdirSync(historyPath(folder, 'supervisor'));
    for (let i = 0; i < 3; i += 1) file.add('info', 'supervisor.start', 'lost');
    expect(unwritten).toHaveLength(1);
    expect(readHistory(folder)).toEqual([]);
    const other = historyOf(join(folder, 'fresh'));
    other.file.add('info', 'supervisor.start', 'kept');
    expect(messages(readHistory(join(folder, 'fresh')))).toEqual(['kept']);
    expect(other.unwritten).toEqual([]);
  });

  test('of both processes is one story, each in its own order even where the clock was set back', () => {
    const folder = scratchFolder();
    const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
    writeFileSync(historyPath(folder, 'gateway'), [1, 4, 2].map((second) => line('gateway', at(second), `g${second}`)).join(''));
    writeFileSync(historyPath(folder, 'supervisor'), [2, 3, 5].map((second) => line('supervisor', at(second), `s${second}`)).join(''));
    expect(readHistory(folder).map(({ event }) => event)).toEqual(['g1', 's2', 's3', 'g4', 'g2', 's5']);
  });

  test('remembers the last failure of each worker, in the words of either process', () => {
    const folder = scratchFolder();
    const { file } = historyOf(folder);
    file.add('error', 'worker.failure', 'first', { worker: 'worker-1', class: 'oom-kv', phase: 'start', advice: 'less' });
    file.add('error', 'worker.failure', 'second', { worker: 'worker-1', class: 'killed', phase: 'serving', advice: 'ask' });
    historyOf(folder, 'gateway').file.add('warn', 'worker.failure', 'worker failed', {
      worker: 'a:1',
      class: 'unreachable',
      phase: 'serving',
      message: 'refuses',
      advice: 'check',
    });
    const at = '2026-01-01T00:00:00.000Z';
    expect([...failuresIn(readHistory(folder))]).toEqual([
      ['worker-1', { class: 'killed', phase: 'serving', message: 'second', advice: 'ask', at }],
      ['a:1', { class: 'unreachable', phase: 'serving', message: 'refuses', advice: 'check', at }],
    ]);
  });
});

describe('an earlier life', () => {
  const AT = '2026-01-01T00:00:00.000Z';
  const GONE = 2 ** 22 + 1;
  test.each<[string, string[], boolean]>([
    ['that has begun and is gone', [line('supervisor', AT, 'supervisor.start', { process: GONE })], true],
    [
      'that has ended in order',
      [line('supervisor', AT, 'supervisor.start', { process: GONE }), line('supervisor', AT, 'supervisor.end', { process: GONE })],
      false,
    ],
    ['that nobody knows of', [], false],
  ])('%s is told of by the next: %#', (_, lines, told) => {
    const folder = scratchFolder();
    writeFileSync(historyPath(folder, 'supervisor'), lines.join(''));
    expect(lostLife(folder, 'supervisor')).toEqual(told ? { pid: GONE, startedAt: AT } : null);
  });
});

test('a life that runs still is not told of', async () => {
  const folder = scratchFolder();
  await using other = run(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)', 'headgate']);
  await other.prints(/1/);
  writeFileSync(
    historyPath(folder, 'gateway'),
    line('gateway', '2026-01-01T00:00:00.000Z', 'gateway.start', { process: other.child.pid! }),
  );
  expect(lostLife(folder, 'gateway')).toBeNull();
});

describe('a log that is taken down', () => {
  test('keeps what its level lets nobody see, leaves out what is only a step in between, and passes everything on', () => {
    const folder = scratchFolder();
    const { log: plain, lines } = collectedLog();
    plain.level = 'error';
    const { log } = keepHistory(plain, createFakeClock(), folder, 'supervisor', true);
    log.info('worker.state', 'worker-1 is warming.', { worker: 'worker-1', state: 'warming' });
    log.info('worker.state', 'worker-1 is ready.', { worker: 'worker-1', state: 'ready' });
    log.info('request.end', 'request complete');
    log.error('worker.failure', 'it died', { worker: 'worker-1' });
    expect(messages(readHistory(folder))).toEqual(['worker-1 is ready.', 'it died']);
    expect(lines.map(({ event }) => event)).toEqual(['worker.failure']);
    log.level = 'debug';
    expect(plain.level).toBe('debug');
    expect(log.enabled('debug')).toBe(true);
  });

  test('leaves workers to their supervisor where there is one', () => {
    const folder = scratchFolder();
    const { log } = keepHistory(collectedLog().log, createFakeClock(), folder, 'gateway', false);
    log.info('worker.state', 'worker ready', { worker: 'worker-1', state: 'ready' });
    log.warn('breaker', 'breaker open', { worker: 'worker-1' });
    expect(messages(readHistory(folder))).toEqual(['breaker open']);
  });

  test('serves on in a folder that cannot be written to', () => {
    const folder = scratchFolder();
    const state = join(folder, 'state');
    writeFileSync(state, 'a file');
    chmodSync(state, 0o600);
    const { log: plain, lines } = collectedLog();
    const { log } = keepHistory(plain, createFakeClock(), state, 'gateway', false);
    log.warn('breaker', 'breaker open');
    log.warn('breaker', 'breaker closed');
    expect(lines.map(({ event }) => event)).toEqual(['history', 'breaker', 'breaker']);
    expect(readFileSync(state, 'utf8')).toBe('a file');
  });
});
