import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { WAYS, type WayName } from '../../../scripts/chaos/faults/ways.ts';
import { readChaosOptions } from '../../../scripts/chaos/options.ts';
import { scheduleOf, scheduleText } from '../../../scripts/chaos/random/schedule.ts';
import { COLUMNS, markdownTable, summaryLine } from '../../../scripts/chaos/report/markdown.ts';
import { ALL_ROWS, QUICK_ROWS } from '../../../scripts/chaos/rows/all-rows.ts';
import type { RowResult } from '../../../scripts/chaos/rows/row-result.ts';
import { NOTHING_LEFT } from '../../../scripts/chaos/law/leaks.ts';
import { run } from '../../support/process.ts';

const PROGRAM = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'headgate-chaos-test-'));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));
const chaos = (...args: readonly string[]) => run(process.execPath, [PROGRAM, 'chaos', ...args], { cwd });

test('each row has a name of its own, and a quick look has rows that there are', () => {
  const names = ALL_ROWS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(40);
  for (const name of QUICK_ROWS) expect(names).toContain(name);
});

test('the command line', () => {
  const read = (...argv: readonly string[]) => readChaosOptions(argv, ['reset', 'stall'], ['reset']);
  expect(read('--rows', 'stall, reset', '--seed', '7', '--at-once', '2')).toMatchObject({
    options: { rows: ['stall', 'reset'], random: null, seed: 7, atOnce: 2, json: false },
  });
  expect(read('--quick')).toMatchObject({ options: { rows: ['reset'] } });
  expect(read('--random', '40')).toMatchObject({ options: { rows: null, random: 40, seed: 1 } });
  expect(read('--rows', 'stal')).toMatchObject({ kind: 'usage', problem: expect.stringContaining('no row "stal"') });
  expect(read('--random', '4', '--quick')).toMatchObject({ kind: 'usage' });
  expect(read('--random', '0')).toMatchObject({ kind: 'usage', problem: '--random must be a whole number from 1 to 1000000, not 0' });
  expect(read('--nonsense')).toMatchObject({ kind: 'usage' });
});

test('a seed has one schedule, whose faults lie within it and overlap', () => {
  const ways = Object.keys(WAYS) as WayName[];
  const many = Array.from({ length: 500 }, (_, seed) => scheduleOf(seed, ways));
  expect(many).toEqual(Array.from({ length: 500 }, (_, seed) => scheduleOf(seed, ways)));
  const kinds = new Set(many.flatMap(({ troubles }) => troubles.map(({ trouble }) => trouble.kind)));
  expect(kinds.size).toBe(10);
  for (const { troubles, lengthMs } of many)
    for (const { atMs, forMs } of troubles) expect(atMs >= 0 && forMs >= 30 && atMs + forMs <= lengthMs + 30).toBe(true);
  expect(many.some(({ troubles: [first, second] }) => first && second && second.atMs < first.atMs + first.forMs)).toBe(true);
  expect(scheduleText(many[0]!)).toContain(`${many[0]!.lengthMs} ms`);
});

test('the table tells what was broken, and why a row was skipped', () => {
  const head = { name: 'x', fault: 'a | b', how: 'how', holds: 'every call answered', ms: 1 };
  const tally = { requests: 9, ok: 7, errors: { '502 upstream_error': 1 }, broken: 1, left: 0, cut: 0, nonsense: 0, worstMs: 1_234 };
  const common = { struck: 3, tally, lines: { lines: 4, failed: 1 }, detectMs: 12, recoverMs: 0, left: NOTHING_LEFT };
  const results: readonly RowResult[] = [
    { ...head, ...common, verdict: 'survived', notes: [] },
    { ...head, ...common, verdict: 'broken', notes: ['one', 'two'] },
    { ...head, ...common, tally: null, lines: null, verdict: 'skipped', notes: ['no Redis'] },
  ];
  const [columns, , survived, broken, skipped] = markdownTable(results).split('\n');
  expect(columns).toBe(`| ${COLUMNS.join(' | ')} |`);
  expect(survived).toBe(
    '| a \\| b | how (struck 3×) | 9 + 4 lines | 7 + 3 | 1 (502 upstream_error) | 1 | 1.2 s | 12 ms | at once | 0/0 | law of calls; every call answered |',
  );
  expect(broken).toContain('**broken**: one (and 1 more)');
  expect(skipped).toContain('skipped: no Redis');
  expect(summaryLine(results)).toBe('1 faults survived, 1 broken, 0 not played, 1 skipped; 26 calls and lines of batches');
});

test('plays rows, and leaves the table as JSON, Markdown and a page', async () => {
  await using played = chaos('--rows', 'reset,eof-midway,reload-invalid', '--at-once', '3', '--out', 'rows');
  expect(await played.exited, played.output()).toBe(0);
  const result = JSON.parse(readFileSync(join(cwd, 'rows/result.json'), 'utf8')) as { rows: RowResult[] };
  expect(result.rows.map(({ name, verdict, notes }) => [name, verdict, notes])).toEqual([
    ['reset', 'survived', []],
    ['eof-midway', 'survived', []],
    ['reload-invalid', 'survived', []],
  ]);
  for (const { struck, tally } of result.rows) expect([struck > 0, tally!.ok > 0]).toEqual([true, true]);
  expect(readFileSync(join(cwd, 'rows/table.md'), 'utf8')).toContain('3 faults survived');
  expect(readFileSync(join(cwd, 'rows/report.html'), 'utf8')).not.toMatch(/<script|src=|@import/);
});

test('plays random schedules', async () => {
  await using played = chaos('--random', '4', '--seed', '11', '--out', 'random');
  expect(await played.exited, played.output()).toBe(0);
  expect(played.output()).toMatch(
    /4 random schedules \(seeds from 11\), \d+ calls and \d+ lines of batches, struck [\d,]+×: nothing was broken/,
  );
});
