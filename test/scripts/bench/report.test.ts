import { describe, expect, test } from 'vitest';
import { compareRatios, toRecord } from '../../../scripts/bench/ratios.ts';
import { costRows, effectRows, reportText } from '../../../scripts/bench/report.ts';
import type { BenchResult, Round } from '../../../scripts/bench/result.ts';

const NOTHING_YET = { recorded: null, ratios: {} };

function rounds(costs: readonly number[], more: Record<string, number> = {}, errors: Record<string, number> = {}): Round[] {
  return costs.map((cost_us) => ({ figures: { cost_us, ...more }, errors }));
}

function result(cases: BenchResult['cases'], names = ['headgate', 'bare', 'haproxy']): BenchResult {
  return {
    ...{ version: '1.2.3', at: '2026-11-29T04:00:00.000Z', tools: 'C', rounds: 3, seconds: 2, notes: [], cases },
    machine: { cpu: 'a CPU', cores: 2, kernel: 'Linux 6.1', node: '26.10.0', load_before: 0.1 },
    cores: { proxy: 0, stub: 1, load: 1 },
    proxies: names.map((name) => ({ name, what: `what ${name} is`, version: null, startMs: 100 })),
  };
}

const QUIET = { name: 'chat', rounds: { headgate: rounds([60, 61, 59]), bare: rounds([30, 30, 30]), haproxy: rounds([15, 15, 15]) } };
const LOUD = { name: 'stream-64', rounds: { headgate: rounds([20, 30, 21]), bare: rounds([10, 10, 10]), haproxy: rounds([8, 8, 8]) } };

describe('the table of costs', () => {
  test('has the CPU time of each, its ratio to the floor, and the ratios of the gateway', () => {
    expect(costRows(result([QUIET]))).toEqual([
      ['CPU µs', 'headgate', 'bare', 'haproxy', 'headgate ÷ bare', 'headgate ÷ haproxy'],
      ['a chat, small prompt, 32 connections', '60.0 ±2 % (2.00×)', '30.0 ±0 %', '15.0 ±0 % (0.50×)', '2.00', '4.00'],
    ]);
  });

  test('tells no ratio of rounds that disagree, in any column, and says that the machine is too noisy', () => {
    const [, row = []] = costRows(result([LOUD]));
    expect(row[1]).toBe('21.0 ±24 %');
    expect(row.slice(4)).toEqual(['too noisy: ratios differ by 48 %', 'too noisy: ratios differ by 48 %']);
    expect(reportText(result([QUIET, LOUD]))).toContain('This machine is too noisy: 1 of 4 ratios are not told');
    expect(reportText(result([QUIET]))).not.toContain('too noisy');
  });

  test('pairs what was measured in the same round, where one side lacks a round', () => {
    const gap = { figures: {}, errors: { 'not all open': 1 } };
    const slower = { ...QUIET, rounds: { headgate: rounds([20, 40, 80]), bare: [rounds([10])[0]!, gap, rounds([40])[0]!] } };
    expect(costRows(result([slower]))[1]?.slice(-2)[0]).toBe('2.00');
  });

  test('still has the ratio to the bare relay where HAProxy is not installed', () => {
    const [head, row] = costRows(result([QUIET], ['headgate', 'bare']));
    expect(head).toEqual(['CPU µs', 'headgate', 'bare', 'headgate ÷ bare']);
    expect(row?.at(-1)).toBe('2.00');
  });
});

test('a latency is told beside that of the worker itself', () => {
  const latency = (p50_us: number, p99_us: number) => rounds([1, 1], { p50_us, p99_us });
  const light = { name: 'light', rounds: { headgate: latency(250, 900), bare: latency(200, 500), direct: latency(90, 300) } };
  const [, row] = effectRows(result([light], ['headgate', 'bare']));
  expect(row).toEqual(['a chat at 200 a second: added p50 / p99, µs', '160 / 600', '110 / 200']);
});

test('calls that failed are told by proxy, case and kind, summed over the rounds', () => {
  const failed = { name: 'chat', rounds: { headgate: rounds([1, 1], {}, { 'status 503': 2, cut: 1 }) } };
  expect(reportText(result([failed]))).toContain('ERRORS of headgate in chat: 4 status 503, 2 cut');
});

test('tools in Node are told of', () => {
  expect(reportText({ ...result([QUIET]), tools: 'Node' })).toContain('for want of a C compiler');
  expect(reportText(result([QUIET]))).not.toContain('for want of a C compiler');
});

describe('recorded ratios', () => {
  const recorded = toRecord(result([QUIET]), NOTHING_YET);

  test('are those to the bare relay, with the day and the versions', () => {
    expect(recorded).toEqual({
      recorded: { date: '2026-11-29', version: '1.2.3', node: '26.10.0', cpu: 'a CPU' },
      ratios: { chat: 2 },
    });
  });

  test('are not written from rounds that disagree: what was recorded before stays', () => {
    expect(toRecord(result([LOUD]), recorded)).toBe(recorded);
    expect(toRecord(result([QUIET, LOUD]), { ...NOTHING_YET, ratios: { 'stream-64': 1.5 } }).ratios).toEqual({ chat: 2, 'stream-64': 1.5 });
  });

  test.each([
    ['has not grown', 60, false, 'chat: 2.00 beside 2.00 (+0 %)'],
    ['has grown by less than is allowed', 68, false, 'chat: 2.27 beside 2.00 (+13 %)'],
    ['has grown by more', 72, true, 'chat: 2.40 beside 2.00 (+20 %): GREW by more than 15 %'],
    ['has become smaller', 30, false, 'chat: 1.00 beside 2.00 (-50 %)'],
  ])('are compared with a ratio that %s', (_, cost, hasFailed, line) => {
    const now = result([{ name: 'chat', rounds: { headgate: rounds([cost, cost]), bare: rounds([30, 30]) } }]);
    const comparison = compareRatios(now, recorded, 0.15);
    expect(comparison.lines).toContain(line);
    expect(comparison.hasFailed).toBe(hasFailed);
  });

  test.each([
    ['everything was too noisy', result([{ ...LOUD, name: 'chat' }]), recorded],
    ['nothing has been recorded', result([QUIET]), NOTHING_YET],
    ['the cases have nothing in common', result([{ ...QUIET, name: 'embeddings' }]), recorded],
  ])('are no pass where %s', (_, now, before) => {
    expect(compareRatios(now, before, 0.15).hasFailed).toBe(true);
  });
});
