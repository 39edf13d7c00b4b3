import { describe, expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import type { CallRecord, Outcome } from '../../../scripts/load/calls/call-record.ts';
import { summaryOf } from '../../../scripts/load/figures/summary.ts';
import { answeredRate } from '../../../scripts/release-gate/capacity.ts';
import { processIn } from '../../../scripts/release-gate/asked.ts';
import { cancelVerdicts, drainVerdicts, fairVerdicts } from '../../../scripts/release-gate/judging/others.ts';
import { slopeOf, soakVerdicts } from '../../../scripts/release-gate/judging/soak.ts';
import { recoveredAfterMs, spikeVerdicts } from '../../../scripts/release-gate/judging/spike.ts';
import { steadyVerdicts } from '../../../scripts/release-gate/judging/steady.ts';
import { collapseVerdict } from '../../../scripts/release-gate/judging/step.ts';
import type { Verdict } from '../../../scripts/release-gate/judging/verdict.ts';

const TEAM = presetCriteria('team');

interface Made {
  readonly at?: number;
  readonly ttft?: number;
  readonly outcome?: Outcome;
  readonly status?: number;
}

function call({ at = 0, ttft = 50, outcome = 'ok', status = 200 }: Made = {}): CallRecord {
  return {
    ...{
      index: 0,
      scheduledMs: at,
      sentMs: at,
      headMs: at + 1,
      firstTokenMs: outcome === 'ok' ? at + ttft : NaN,
      lastTokenMs: at + ttft + 90,
    },
    ...{ endMs: at + (outcome === 'ok' ? ttft + 100 : ttft), outcome, status, code: outcome === 'ok' ? null : 'x' },
    ...{ inputTokens: 10, outputTokens: 10, cachedTokens: 0, worker: null, queueMs: NaN, windowMs: NaN, tokensAt: [] },
  };
}

function calls(count: number, made: (i: number) => Made): CallRecord[] {
  return Array.from({ length: count }, (_, i) => call(made(i)));
}

const outcomes = (verdicts: readonly Verdict[]) => Object.fromEntries(verdicts.map(({ criterion, outcome }) => [criterion, outcome]));

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

describe('a soak', () => {
  const HOUR = 3_600_000;
  const moments = (mbPerHour: number, noise: number, filesAt: (i: number) => number = () => 40) =>
    Array.from({ length: 200 }, (_, i) => ({
      atMs: (i / 200) * HOUR,
      rssBytes: 1e6 * (150 + (mbPerHour * i) / 200 + (i % 2 === 0 ? noise : -noise)),
      files: filesAt(i),
    }));
  const steady = calls(2_000, (i) => ({ at: i * 100, ttft: 50 + (i % 40) }));

  test('finds the slope of a line, and how sure it is', () => {
    expect(
      slopeOf([
        [0, 1],
        [1, 3],
        [2, 5],
      ]),
    ).toEqual({ slope: 2, give: 0 });
    expect(slopeOf([[0, 1]])).toEqual({ slope: 0, give: Infinity });
  });

  test.each([
    [0, 0.05, 'passed'],
    [5, 0.05, 'failed'],
    // As much as it jumps, an hour cannot tell.
    [1, 20, 'open'],
  ])('memory of %d MB an hour with ± %d: %s', (slope, noise, outcome) => {
    expect(outcomes(soakVerdicts(steady, moments(slope, noise), TEAM))['memory']).toBe(outcome);
  });

  test('what grew in the warm-up alone is no leak, of files neither', () => {
    expect(
      outcomes(
        soakVerdicts(
          steady,
          moments(0, 0.05, (i) => (i < 40 ? i : 40)),
          TEAM,
        ),
      )['open files'],
    ).toBe('passed');
    expect(
      outcomes(
        soakVerdicts(
          steady,
          moments(0, 0.05, (i) => i),
          TEAM,
        ),
      )['open files'],
    ).toBe('failed');
  });

  test('p99 may drift by chance, and by no more', () => {
    expect(outcomes(soakVerdicts(steady, moments(0, 0), TEAM))['p99 drift']).toBe('passed');
    const slower = calls(2_000, (i) => ({ at: i * 100, ttft: 50 + (i % 40) + (i >= 1_500 ? 30 : 0) }));
    expect(outcomes(soakVerdicts(slower, moments(0, 0), TEAM))['p99 drift']).toBe('failed');
    const unlucky = calls(2_000, (i) => ({ at: i * 100, ttft: i > 1_993 ? 500 : 50 }));
    expect(outcomes(soakVerdicts(unlucky, moments(0, 0), TEAM))['p99 drift']).toBe('open');
    expect(outcomes(soakVerdicts(steady.slice(0, 300), moments(0, 0), TEAM))['p99 drift']).toBe('open');
  });
});

describe('the others', () => {
  test('a drain', () => {
    const records = [...calls(50, () => ({})), call({ outcome: 'unfinished' })];
    expect(outcomes(drainVerdicts(records, 2, 2, TEAM))).toEqual({
      'every worker in turn': 'passed',
      'no broken stream': 'passed',
      'no failed call': 'passed',
    });
    expect(outcomes(drainVerdicts([...records, call({ outcome: 'broken' }), call({ outcome: 'failed' })], 1, 2, TEAM))).toEqual({
      ...{ 'every worker in turn': 'failed', 'no broken stream': 'failed', 'no failed call': 'failed' },
    });
  });

  test('cancellations', () => {
    const of = (made: readonly CallRecord[]) => summaryOf(made, 1_000, {});
    const left = of([...calls(7, () => ({})), ...calls(3, () => ({ outcome: 'cancelled' }))]);
    expect(outcomes(cancelVerdicts(left, 300, 0, TEAM))).toEqual({ settled: 'passed', 'nobody else harmed': 'passed' });
    expect(outcomes(cancelVerdicts(left, null, 4, TEAM))).toMatchObject({ settled: 'failed' });
    expect(outcomes(cancelVerdicts(of(calls(7, () => ({}))), 1_200, 0, TEAM))).toEqual({ settled: 'failed', cancelled: 'open' });
  });

  test('a flood', () => {
    const of = (ttft: number) =>
      summaryOf(
        calls(100, () => ({ ttft })),
        1_000,
        {},
      );
    expect(outcomes(fairVerdicts(of(50), of(190), TEAM))['latency beside a flood']).toBe('passed');
    expect(outcomes(fairVerdicts(of(50), of(260), TEAM))['latency beside a flood']).toBe('failed');
    expect(outcomes(fairVerdicts(of(200), of(260), TEAM))['latency beside a flood']).toBe('passed');
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
