import { appendFileSync, chmodSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { engineLogs } from '../../../gateway/core/history/engine-logs.ts';
import { eventText } from '../../../scripts/commands/past/event-text.ts';
import { statOf, whyClosed } from '../../../scripts/commands/past/open-file.ts';
import { linewise, printable, printableBeginning } from '../../../scripts/commands/past/printable.ts';
import { momentOf } from '../../../scripts/commands/past/since.ts';
import { follow, lastLines } from '../../../scripts/commands/past/tail.ts';
import { until } from '../../support/gateway.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const ENTRY = { at: '2026-01-02T03:04:05.678Z', by: 'supervisor', process: 1, level: 'info', event: 'e', msg: 'm' } as const;

test.each([
  ['90s', 90_000],
  ['12h', 43_200_000],
  ['1.5d', 129_600_000],
  ['2 m', 120_000],
])('--since %s is that long ago', (text, agoMs) => expect(momentOf(text, 1e12)).toBe(1e12 - agoMs));

test('--since takes an ISO time, and nothing that is no time', () => {
  expect(momentOf('2026-01-02T03:04:05Z', 0)).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  for (const bad of ['', 'yesterday', '12', '12x', '2026-99-99', '-5h', '999999999999d', '300000000d']) expect(momentOf(bad, 0)).toBeNull();
});

test.each<[object, string]>([
  [
    {
      event: 'worker.failure',
      msg: 'It ran out of memory.',
      worker: 'worker-1',
      class: 'oom-kv',
      phase: 'start',
      next: 'relax',
      advice: 'Wait.',
    },
    'worker-1 failed (oom-kv, at start, next: relax): It ran out of memory.\n                      → Wait.',
  ],
  [
    { event: 'worker.failure', msg: 'worker failed', worker: 'a:1', class: 'unreachable', message: 'refuses' },
    'a:1 failed (unreachable): refuses',
  ],
  [{ event: 'worker.state', worker: 'worker-1', state: 'ready', model: 'm' }, 'worker-1 is ready · m'],
  [{ event: 'breaker', msg: 'breaker open', worker: 'worker-1', reason: 'failures' }, 'worker-1: breaker open (failures)'],
  [
    { event: 'config.reload', msg: 'settings reloaded', changed: ['log.level'], needs_restart: [] },
    'settings reloaded · changed: log.level',
  ],
  [{ event: 'drain', msg: 'draining', in_flight: 3 }, 'draining · 3 in flight'],
  [{ msg: 'said \u001b[31mred\u001b[0m \u202eright to left\nand on' }, 'said red right to left and on'],
])('an entry reads as a sentence: %j', (entry, text) => {
  expect(eventText({ ...ENTRY, ...entry })).toBe(`2026-01-02T03:04:05Z  supervisor  ${text}\n`);
});

test('what a terminal would obey is taken out, and the rest is left as it is', () => {
  expect(printable('a\u001b[1;31mb\u001b]0;title\u0007c\u001b]8;;http://x\u001b\\d\u0007\u009b2J\u202e\r\ntab\tü中😀')).toBe(
    'abcd\ntab\tü中😀',
  );
});

test('what follows is shown by whole lines, so that nothing cut in two gets through', () => {
  let shown = '';
  const take = linewise((lines) => (shown += lines));
  take('a\u001b[3');
  expect(shown).toBe('');
  take('1mb\nAuthorization: Bear');
  expect(shown).toBe('ab\n');
  take('er abcdefghijkl\n');
  expect(shown).toBe('ab\nAuthorization: Bearer [redacted]\n');
  take('x'.repeat(21_000));
  expect(shown.length).toBeGreaterThan(16_000);
  take('rest');
  take(null);
  expect(shown).toBe(`ab\nAuthorization: Bearer [redacted]\n${'x'.repeat(21_000)}rest`);
});

test.each([16_370, 16_380, 20_470, 24_560])('no secret is cut in two at the end of a piece or of what is shown: %i', (at) => {
  const secret = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345';
  const line = `${'y '.repeat(at / 2)}password=${secret} ${'z'.repeat(30_000)}`;
  let shown = '';
  const take = linewise((lines) => (shown += lines));
  for (let from = 0; from < line.length; from += 1_000) take(line.slice(from, from + 1_000));
  take(null);
  expect(shown).toBe(printable(line));
  expect(shown).toContain('[redacted]');
  expect(printableBeginning(line, 16_384)).not.toMatch(/hf_|AbCd/);
  expect(printable(line).startsWith(printableBeginning(line, 16_384))).toBe(true);
  expect(printableBeginning(line, 16_384).length).toBeGreaterThan(12_000);
});

test('what has no place to be cut is held no longer than so much', () => {
  let shown = '';
  const take = linewise((lines) => (shown += lines));
  for (let piece = 0; piece < 200; piece += 1) take('https://a:'.repeat(100));
  expect(shown.length).toBeGreaterThan(0);
});

test('a state folder that cannot be read is told of, and one that is not there is none', () => {
  const folder = scratchFolder();
  expect(whyClosed(folder)).toBeNull();
  expect(whyClosed(join(folder, 'nowhere'))).toBeNull();
  symlinkSync('loop', join(folder, 'loop'));
  expect(statOf(join(folder, 'loop'))).toBeNull();
  expect(whyClosed(join(folder, 'loop'))).toMatch(/loop cannot be read: ELOOP/);
  expect(whyClosed(folder, [join(folder, 'loop')])).toMatch(/ELOOP/);
});

test.runIf(process.getuid?.() !== 0)('a folder without permission is told of in plain words', () => {
  const folder = scratchFolder();
  chmodSync(folder, 0);
  expect(whyClosed(folder)).toMatch(/may not be read by this user/);
  chmodSync(folder, 0o700);
});

test('the last lines of a log, also where the last has no end, a line is very long, or there are fewer', () => {
  const path = join(scratchFolder(), 'a.log');
  writeFileSync(path, 'one\ntwo\nthree\n');
  expect(lastLines(path, 2)).toEqual({ text: 'two\nthree\n', end: 14 });
  expect(lastLines(path, 99).text).toBe('one\ntwo\nthree\n');
  expect(lastLines(path, 0).text).toBe('');
  writeFileSync(path, `first\n${'x'.repeat(200_000)}\nlast`);
  expect(lastLines(path, 2).text).toBe(`${'x'.repeat(200_000)}\nlast`);
  writeFileSync(path, '');
  expect(lastLines(path, 5)).toEqual({ text: '', end: 0 });
});

test('following a log goes on through a cut and through a new start', async () => {
  const path = join(scratchFolder(), 'a.log');
  writeFileSync(path, 'old\n');
  let seen = '';
  const over = new AbortController();
  const done = follow(path, lastLines(path, 1).end, (text) => (seen += text), over.signal);
  appendFileSync(path, 'more\n');
  await until(() => seen === 'more\n', 'the new line is shown');
  truncateSync(path, 0);
  appendFileSync(path, 'cut\n');
  await until(() => seen.endsWith('cut\n'), 'the line after the cut is shown');
  renameSync(path, `${path}.1`);
  writeFileSync(path, 'a new start that says more\n');
  await until(() => seen.endsWith('a new start that says more\n'), 'the new start is shown');
  const letter = Buffer.from('é\n');
  appendFileSync(path, letter.subarray(0, 1));
  await new Promise((resolve) => setTimeout(resolve, 300));
  appendFileSync(path, letter.subarray(1));
  await until(() => seen.endsWith('\n') && !seen.endsWith('more\n'), 'the rest of the letter is shown');
  over.abort();
  await done;
  expect(seen).toBe('more\ncut\na new start that says more\né\n');
});

test('what is said between the last look and the moment at which a file gives way is not lost', async () => {
  const path = join(scratchFolder(), 'a.log');
  writeFileSync(path, 'old\n');
  let seen = '';
  const over = new AbortController();
  const done = follow(path, lastLines(path, 1).end, (text) => (seen += text), over.signal);
  appendFileSync(path, 'one\n');
  await until(() => seen === 'one\n', 'the first line is shown');
  appendFileSync(path, 'last words\nno end');
  renameSync(path, `${path}.1`);
  writeFileSync(path, 'a new start\n');
  await until(() => seen.endsWith('a new start\n'), 'the new start is shown');
  appendFileSync(`${path}.1`, ', but for this\n');
  await until(() => seen.endsWith('this\n'), 'so is what comes to the old one');
  over.abort();
  await done;
  expect(seen).toBe('one\nlast words\nno end\na new start\n, but for this\n');
});

test('logs are found by worker, those of several models by the latest, and nothing else is taken for one', () => {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'));
  for (const name of [
    'worker-1.log',
    'worker-1.other%2Fmodel-1.5.log',
    'worker-1.failed.log',
    'worker-2.previous.log',
    'worker-2.log.1',
    'notes.txt',
  ])
    writeFileSync(join(folder, 'logs', name), '');
  const found = engineLogs(folder).map(({ worker, kind }) => `${worker} ${kind}`);
  expect(found.toSorted()).toEqual(['worker-1 current', 'worker-1 current', 'worker-1 failed', 'worker-2 previous']);
  expect(engineLogs(join(folder, 'nowhere'))).toEqual([]);
});
