import { describe, expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import type { CallRecord } from '../../../scripts/load/calls/call-record.ts';
import { summaryOf } from '../../../scripts/load/figures/summary.ts';
import { answeredRate } from '../../../scripts/release-gate/capacity.ts';
import { processIn } from '../../../scripts/release-gate/asked.ts';
import { cancelVerdicts, drainVerdicts, fairVerdicts } from '../../../scripts/release-gate/judging/others.ts';
import { recoveredAfterMs, spikeVerdicts } from '../../../scripts/release-gate/judging/spike.ts';
import { steadyVerdicts } from '../../../scripts/release-gate/judging/steady.ts';
import { collapseVerdict } from '../../../scripts/release-gate/judging/step.ts';
import { call, calls, outcomes } from './made-calls.ts';

const TEAM = presetCriteria('team');

describe('a steady load', () => {
  test('keeps to its limits or not, each in words', () => {
    const good = summaryOf(
      calls(100, () => ({})),
      10_000,
      {},
    );
    expect(outcomes(steadyVerdicts(good, TEAM, 'at 75 %'))).toEqual({
      'errors at 75 %': 'passed',
      'p95 TTFT at 75 %': 'passed',
      'p95 whole answer at 75 %': 'passed',
    });
    const bad = summaryOf(
      calls(100, (i) => (i < 2 ? { outcome: 'failed', status: 500 } : { ttft: 250 })),
      10_000,
      {},
    );
    const verdicts = steadyVerdicts(bad, TEAM, 'at 75 %');
    expect(outcomes(verdicts)).toMatchObject({ 'errors at 75 %': 'failed', 'p95 TTFT at 75 %': 'failed' });
    expect(verdicts.map(({ said }) => said)).toEqual([
      '2 of 100 calls failed (2 %; 0.1 % allowed): failed 500 x (2).',
      '250 ms; at most 200 ms is asked for.',
      '350 ms; at most 5,000 ms is asked for.',
    ]);
  });

  test('that had no call keeps to nothing', () => {
    expect(outcomes(steadyVerdicts(summaryOf([], 1_000, {}), TEAM, ''))).toMatchObject({ 'errors ': 'failed', 'p95 TTFT ': 'open' });
  });
});

describe('steps', () => {
  test.each([
    [
      [
        { share: 1, goodput: 40 },
        { share: 1.5, goodput: 37 },
      ],
      'passed',
    ],
    [
      [
        { share: 1, goodput: 40 },
        { share: 1.5, goodput: 35 },
      ],
      'failed',
    ],
    [
      [
        { share: 1, goodput: 0 },
        { share: 1.5, goodput: 0 },
      ],
      'failed',
    ],
    [[{ share: 1, goodput: 40 }], 'open'],
    [
      [
        { share: 1, goodput: 8 },
        { share: 1.5, goodput: 12 },
      ],
      'open',
    ],
  ] as const)('%j: %s', (steps, outcome) => expect(collapseVerdict(steps, TEAM).outcome).toBe(outcome));
});

describe('a spike', () => {
  const [before, after] = [
    calls(200, (i) => ({ at: i * 100 })),
    (slowUntil: number) => calls(600, (i) => ({ at: 30_000 + i * 100, ttft: i * 100 < slowUntil ? 900 : 50 })),
  ];
  const TIMES = { fromMs: 20_000, toMs: 30_000 };

  test('is over when 19 of 20 calls are quick again', () => {
    expect(recoveredAfterMs(after(4_000), 30_000, 60)).toBe(4_000);
    expect(recoveredAfterMs(after(0), 30_000, 60)).toBe(0);
    expect(recoveredAfterMs(after(100_000), 30_000, 60)).toBeNull();
    // One slow call is none of the spike's.
    const one = after(0).map((record, i) => (i === 30 ? call({ at: record.scheduledMs, ttft: 900 }) : record));
    expect(recoveredAfterMs(one, 30_000, 60)).toBe(0);
    expect(
      recoveredAfterMs(
        calls(100, (i) => ({ at: 30_000 + i, outcome: 'refused' })),
        30_000,
        60,
      ),
    ).toBeNull();
  });

  test('passes with quick refusals, and a recovery in time', () => {
    const refused = calls(50, (i) => ({ at: 20_000 + i, ttft: 10, outcome: 'refused', status: 503 }));
    const verdicts = spikeVerdicts([...before, ...refused, ...after(4_000)], TIMES, TEAM);
    expect(outcomes(verdicts)).toEqual({ recovery: 'passed', 'quick refusals': 'passed', 'nothing but 503 and 429': 'passed' });
    expect(verdicts[1]!.said).toBe('50 calls were refused with 503 or 429, 95 of 100 within 10 ms (50 ms allowed).');
  });

  test('fails by each', () => {
    const slow = calls(50, (i) => ({ at: 20_000 + i, ttft: 400, outcome: 'refused', status: 503 }));
    const broken = [call({ at: 20_000, outcome: 'failed', status: 502 })];
    expect(outcomes(spikeVerdicts([...before, ...slow, ...broken, ...after(20_000)], TIMES, TEAM))).toEqual({
      ...{ recovery: 'failed', 'quick refusals': 'failed', 'nothing but 503 and 429': 'failed' },
    });
    expect(spikeVerdicts([...before.slice(0, 5), ...after(0)], TIMES, TEAM)[0]!.outcome).toBe('open');
  });
});

describe('the others', () => {
  test('a drain', () => {
    const records = [...calls(50, () => ({})), call({ outcome: 'unfinished' })];
    expect(outcomes(drainVerdicts(records, { turned: 2, of: 2, trouble: null }, TEAM))).toEqual({
      'every worker in turn': 'passed',
      'no broken stream': 'passed',
      'no failed call': 'passed',
    });
    const bad = [...records, call({ outcome: 'broken' }), call({ outcome: 'failed' })];
    const verdicts = drainVerdicts(bad, { turned: 1, of: 2, trouble: 'w2 is deaf' }, TEAM);
    expect(outcomes(verdicts)).toEqual({ 'every worker in turn': 'failed', 'no broken stream': 'failed', 'no failed call': 'failed' });
    expect(verdicts[0]!.said).toBe('1 of 2 workers were drained and came back. w2 is deaf.');
  });

  test('cancellations', () => {
    const of = (made: readonly CallRecord[]) => summaryOf(made, 1_000, {});
    const left = of([...calls(7, () => ({})), ...calls(3, () => ({ outcome: 'cancelled' }))]);
    const after = (settledMs: number | null, busyMs = 0) => outcomes(cancelVerdicts(left, { settledMs, busyMs, left: 4 }, TEAM));
    expect(after(300)).toEqual({ settled: 'passed', 'nobody else harmed': 'passed' });
    expect(after(1_001)).toMatchObject({ settled: 'failed' });
    expect(after(null, 15_000)).toMatchObject({ settled: 'failed' });
    // Silence is no zero, and what was seen within the time says nothing of its end.
    expect(after(null)).toMatchObject({ settled: 'open' });
    expect(after(null, 900)).toMatchObject({ settled: 'open' });
    const stayed = cancelVerdicts(of(calls(7, () => ({}))), { settledMs: 1_200, busyMs: 0, left: 0 }, TEAM);
    expect(outcomes(stayed)).toEqual({ settled: 'failed', cancelled: 'open' });
  });

  test('a flood', () => {
    const of = (made: readonly CallRecord[]) => summaryOf(made, 1_000, {});
    const quick = (ttft: number) => of(calls(100, () => ({ ttft })));
    const flood = of([call(), ...calls(9, () => ({ outcome: 'refused', status: 429 }))]);
    const beside = (alone: number, ttft: number, taken = flood) => fairVerdicts(quick(alone), quick(ttft), taken, TEAM);
    const latency = (verdicts: ReturnType<typeof beside>) => outcomes(verdicts)['latency beside a flood'];
    expect(latency(beside(50, 190))).toBe('passed');
    expect(latency(beside(50, 260))).toBe('failed');
    expect(latency(beside(200, 260))).toBe('passed');
    expect(latency(beside(50, 190, of([call({ outcome: 'unfinished' })])))).toBe('passed');
    const unheard = beside(50, 190, of(calls(9, () => ({ outcome: 'failed', status: 401 }))));
    expect(outcomes(unheard)).toEqual({ 'latency beside a flood': 'open' });
    expect(unheard[0]!.said).toBe('There was no flood: not one of its 9 calls was taken (failed 401 x).');
  });
});

test('capacity counts what was answered while all were at work', () => {
  const records = calls(101, (i) => ({ at: i * 100 - 150 }));
  expect(answeredRate({ records }, 10_000)).toBeCloseTo(10, 5);
  // Answers that are longer than the time that was measured.
  expect(answeredRate({ records: [call({ at: 0, ttft: 20_000 })] }, 10_000)).toBeCloseTo(1 / 20.1, 5);
  expect(answeredRate({ records: [] }, 10_000)).toBe(0);
});

test('the process is found on the page of metrics', () => {
  expect(processIn('process_resident_memory_bytes 1.5e8\nprocess_open_fds 41\n')).toEqual({ rssBytes: 150_000_000, files: 41 });
  expect(processIn('process_resident_memory_bytes 7\n')).toEqual({ rssBytes: 7, files: null });
  expect(processIn('')).toBeNull();
});
