import { describe, expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import type { CallRecord } from '../../../scripts/load/calls/call-record.ts';
import { distributionOf, percentile } from '../../../scripts/load/figures/distribution.ts';
import { summaryOf } from '../../../scripts/load/figures/summary.ts';
import { normal } from '../../../scripts/load/workload/distributions.ts';
import { seeded } from '../../../scripts/load/workload/seeded.ts';
import { Histogram } from '../../../scripts/release-gate/judging/histogram.ts';
import { SoakSums } from '../../../scripts/release-gate/judging/soak-sums.ts';
import { growthOf, type ProcessMoment, soakVerdicts } from '../../../scripts/release-gate/judging/soak.ts';
import { calls, outcomes } from './made-calls.ts';

const TEAM = presetCriteria('team');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function summed(records: readonly CallRecord[], lengthMs: number): SoakSums {
  const sums = new SoakSums(lengthMs, { ttft: 70 });
  sums.add(records, 0);
  return sums;
}

const steady = summed(
  calls(2_000, (i) => ({ at: i * 100, ttft: 50 + (i % 40) })),
  200_000,
);

/** A look every few seconds; `mb`: of memory at each. */
function moments(lengthMs: number, mb: (hours: number) => number, filesAt: (i: number) => number = () => 40): ProcessMoment[] {
  return Array.from({ length: 400 }, (_, i) => {
    const atMs = ((i + 1) / 400) * lengthMs;
    return { atMs, rssBytes: 1e6 * (150 + mb(atMs / HOUR)), files: filesAt(i) };
  });
}

const memory = (looks: readonly ProcessMoment[]) => outcomes(soakVerdicts(steady, looks, TEAM))['memory'];

describe('memory', () => {
  test('grows by the slope of the line through the medians of ten parts', () => {
    const { slope, give } = growthOf(Array.from({ length: 100 }, (_, i) => [i, 7 + 2 * i]))!;
    expect(slope).toBeCloseTo(1.98, 1);
    expect(give).toBeCloseTo(0, 1);
    // A spike in a part is none of its median.
    expect(growthOf(Array.from({ length: 100 }, (_, i) => [i, i % 10 === 3 ? 900 : 5]))).toEqual({ slope: 0, give: 0 });
    expect(growthOf([])).toBeNull();
    expect(growthOf(Array.from({ length: 100 }, (_, i) => [i < 50 ? i : i + 40, 5]))).toBeNull();
  });

  test('that wanders without growing is called a leak at most once in twenty, whatever it depends on', () => {
    const alarms = (keeps: number, stepMb: number, lengthMs: number): number => {
      let failed = 0;
      for (let seed = 0; seed < 400; seed++) {
        const uniform = seeded(seed);
        let mb = 0;
        if (memory(moments(lengthMs, () => (mb = keeps * mb + stepMb * normal(uniform)))) === 'failed') failed++;
      }
      return failed;
    };
    // A random walk, one that is drawn back as memory that is collected, and looks that have nothing to do with each other.
    for (const keeps of [1, 0.95, 0]) {
      expect(alarms(keeps, 0.5, 30 * MINUTE), `keeps ${keeps}`).toBeLessThanOrEqual(20);
      expect(alarms(keeps, 2, 24 * HOUR), `keeps ${keeps} for a day`).toBeLessThanOrEqual(20);
    }
  });

  test('that leaks is found, through what it wanders besides', () => {
    const found = (mbAnHour: number, stepMb: number, keeps: number, lengthMs: number): number => {
      let failed = 0;
      for (let seed = 0; seed < 100; seed++) {
        const uniform = seeded(seed);
        let mb = 0;
        const looks = moments(lengthMs, (hours) => (mb = keeps * mb + stepMb * normal(uniform)) + mbAnHour * hours);
        if (memory(looks) === 'failed') failed++;
      }
      return failed;
    };
    expect(found(60, 0.5, 0.9, 30 * MINUTE)).toBeGreaterThanOrEqual(95);
    expect(found(3, 1, 0.9, 24 * HOUR)).toBeGreaterThanOrEqual(95);
    expect(found(200, 0.5, 1, 30 * MINUTE)).toBeGreaterThanOrEqual(95);
  });

  test('that stays is passed where the soak is long enough to tell, and left open where it is not', () => {
    expect(memory(moments(HOUR, () => 0))).toBe('passed');
    expect(memory(moments(10 * MINUTE, () => 0))).toBe('passed');
    expect(memory(moments(MINUTE, () => 0))).toBe('open');
    // However steep it looks within half a minute.
    expect(memory(moments(MINUTE / 2, (hours) => 5_000 * hours))).toBe('open');
    const uniform = seeded(1);
    expect(memory(moments(30 * MINUTE, () => 20 * normal(uniform)))).toBe('open');
    expect(memory(moments(HOUR, () => 0).slice(0, 3))).toBe('open');
  });
});

test('what grew in the warm-up alone is no leak of open files', () => {
  const files = (at: (i: number) => number) =>
    outcomes(
      soakVerdicts(
        steady,
        moments(HOUR, () => 0, at),
        TEAM,
      ),
    )['open files'];
  expect(files((i) => (i < 80 ? i : 80))).toBe('passed');
  expect(files((i) => i)).toBe('failed');
});

describe('p99', () => {
  const drift = (count: number, ttft: (i: number) => number) =>
    outcomes(
      soakVerdicts(
        summed(
          calls(count, (i) => ({ at: i * 100, ttft: ttft(i) })),
          count * 100,
        ),
        moments(HOUR, () => 0),
        TEAM,
      ),
    )['p99 drift'];

  test('may drift by chance, and by no more', () => {
    expect(drift(2_000, (i) => 50 + (i % 40))).toBe('passed');
    expect(drift(2_000, (i) => 50 + (i % 40) + (i >= 1_500 ? 30 : 0))).toBe('failed');
    expect(drift(2_000, (i) => (i > 1_993 ? 500 : 50))).toBe('open');
    expect(drift(300, (i) => 50 + (i % 40))).toBe('open');
  });

  test('that does not drift is said to at most once in fifty, with the fewest calls that are judged', () => {
    let failed = 0;
    for (let seed = 0; seed < 400; seed++) {
      const uniform = seeded(seed);
      if (drift(400, () => 50 * Math.exp(0.5 * normal(uniform))) === 'failed') failed++;
    }
    expect(failed).toBeLessThanOrEqual(8);
  });
});

describe('what is kept of the calls of a soak', () => {
  const uniform = seeded(3);
  const times = Array.from({ length: 10_000 }, () => 80 * Math.exp(normal(uniform)));

  test('has their percentiles to half a hundredth, in the memory of one', () => {
    const histogram = new Histogram();
    for (const time of times) histogram.add(time);
    histogram.add(NaN);
    const [of, exact] = [histogram.distribution(), distributionOf(times)];
    for (const name of ['mean', 'std', 'min', 'p50', 'p90', 'p95', 'p99', 'max'] as const)
      expect(Math.abs(of[name] / exact[name] - 1), name).toBeLessThan(0.005);
    expect(of.count).toBe(10_000);
    const bound = percentile(
      times.toSorted((a, b) => a - b),
      0.9,
    );
    expect(Math.abs(histogram.above(bound) - 1_000)).toBeLessThan(20);
    expect(new Histogram().quantile(0.5)).toBeNaN();
  });

  test('sums up slices to what all of them together are', () => {
    const records = calls(3_000, (i) => ({
      at: i * 10,
      ttft: times[i]!,
      outcome: i % 50 === 0 ? 'failed' : 'ok',
      status: i % 50 === 0 ? 502 : 200,
    }));
    const sums = new SoakSums(30_000, { ttft: 70 });
    const slice = (from: number, to: number) => records.slice(from, to).map((record) => ({ ...record, ...moved(record, -from * 10) }));
    sums.add(slice(0, 1_000), 0);
    sums.add(slice(1_000, 3_000), 10_000);
    const [of, exact] = [sums.summary(30_000), summaryOf(records, 30_000, { ttft: 70 })];
    for (const name of ['calls', 'ok', 'errors', 'outcomes', 'errorKinds', 'requestRate', 'outputTokenRate', 'inputTokens'] as const)
      expect(of[name], name).toEqual(exact[name]);
    expect(of.goodput).toBeCloseTo(exact.goodput!, 6);
    expect(of.ttft.p95 / exact.ttft.p95).toBeCloseTo(1, 2);
    expect(sums.early.count).toBe(
      records.filter(({ outcome, scheduledMs }) => outcome === 'ok' && scheduledMs >= 7_500 && scheduledMs < 15_000).length,
    );
    expect(sums.late.count).toBe(records.filter(({ outcome, scheduledMs }) => outcome === 'ok' && scheduledMs >= 22_500).length);
    expect(sums.sample.map(({ scheduledMs }) => scheduledMs)).toEqual(records.map(({ scheduledMs }) => scheduledMs));
  });

  test('shows some of them, however many there were', () => {
    const sums = new SoakSums(1e6, {});
    const records = calls(1_000, (i) => ({ at: i }));
    for (let slice = 0; slice < 30; slice++)
      sums.add(
        records.map((record, i) => ({ ...record, index: slice * 1_000 + i })),
        slice * 1_000,
      );
    expect(sums.sample.length).toBeGreaterThan(1_500);
    expect(sums.sample.length).toBeLessThanOrEqual(4_000);
    expect(sums.summary(1e6).calls).toBe(30_000);
    expect(sums.sample.at(-1)!.scheduledMs).toBeGreaterThan(29_900);
  });
});

function moved({ scheduledMs, sentMs, firstTokenMs, lastTokenMs, headMs, endMs }: CallRecord, by: number): Partial<CallRecord> {
  return {
    ...{ scheduledMs: scheduledMs + by, sentMs: sentMs + by, headMs: headMs + by },
    ...{ firstTokenMs: firstTokenMs + by, lastTokenMs: lastTokenMs + by, endMs: endMs + by },
  };
}
