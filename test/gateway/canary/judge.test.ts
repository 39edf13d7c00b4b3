import { describe, expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import { faultsOf, SURE } from '../../../gateway/canary/judge.ts';
import type { Observed } from '../../../gateway/canary/sample.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const CRITERIA = presetCriteria('team');
const NONE: Observed = { ok: 0, failed: 0, streams: 0, mute: 0, ttft: [], tpot: [], e2e: [], unheard: [], unended: [] };

/** Calls whose times are drawn from a wide distribution about `median`. */
function calls(count: number, median: number, seed: number, failed = 0): Observed {
  const random = seededRandom(seed);
  const drawn = () => Array.from({ length: count }, () => median * Math.exp(random.next() - 0.5 + random.next() - 0.5));
  return {
    ...NONE,
    ok: count,
    failed,
    streams: count,
    ttft: drawn(),
    tpot: drawn().map((ms) => ms / 10),
    e2e: drawn().map((ms) => ms * 10),
  };
}

describe('a canary that is as good as the others', () => {
  test.each([SURE.during, SURE.atEnd])('is hardly ever blamed, however few its calls (%d)', (alpha) => {
    let blamed = 0;
    for (let seed = 1; seed <= 300; seed++) {
      if (faultsOf(calls(12 + (seed % 50), 50, seed), calls(100, 50, 10_000 + seed), CRITERIA, alpha).length > 0) blamed++;
    }
    expect(blamed).toBeLessThanOrEqual(3);
  });

  test('is not blamed for a failure or two', () => {
    expect(faultsOf(calls(20, 50, 1, 1), calls(180, 50, 2), CRITERIA, SURE.atEnd)).toEqual([]);
    expect(faultsOf(calls(20, 50, 1, 2), calls(180, 50, 2), CRITERIA, SURE.during)).toEqual([]);
  });

  test('is not blamed for a stream without a token, nor for many where the others have as many', () => {
    const mute = (of: Observed, count: number): Observed => ({ ...of, mute: count, ttft: of.ttft.slice(count) });
    expect(faultsOf(mute(calls(20, 50, 1), 1), calls(180, 50, 2), CRITERIA, SURE.atEnd)).toEqual([]);
    expect(faultsOf(mute(calls(20, 50, 1), 12), mute(calls(180, 50, 2), 100), CRITERIA, SURE.atEnd)).toEqual([]);
  });

  test('is not blamed for a limit that the others do not keep to either', () => {
    expect(faultsOf(calls(200, 500, 1), calls(200, 500, 2), CRITERIA, SURE.atEnd)).toEqual([]);
  });
});

describe('a canary that is worse', () => {
  test('is found out when its streams end well and say nothing', () => {
    const empty: Observed = { ...NONE, ok: 10, streams: 10, mute: 10, e2e: Array.from({ length: 10 }, () => 5) };
    expect(faultsOf(empty, calls(90, 50, 2), CRITERIA, SURE.during)).toEqual([
      '10 of its 10 streams ended without a token, and 0 of 90 at the others.',
    ]);
  });

  test('is found out after some calls', () => {
    const [first] = faultsOf(calls(10, 500, 1), calls(90, 50, 2), CRITERIA, SURE.during);
    expect(first).toMatch(
      /^Its time to first token is too long: its p95 is \d+ ms, that of the others \d+ ms, and \d+ of 10 calls took over/,
    );
  });

  test('by a little is found out after many', () => {
    const [few, many] = [20, 2_000].map((count) => faultsOf(calls(count, 100, 1), calls(count, 70, 2), CRITERIA, SURE.atEnd));
    expect(few).toEqual([]);
    expect(many!.length).toBeGreaterThan(0);
  });

  test('is found out though none of its calls has ended', () => {
    const waiting = Array.from({ length: 12 }, () => 60_000);
    const hanging = { ...NONE, unheard: waiting, unended: waiting };
    expect(faultsOf(hanging, calls(90, 50, 2), CRITERIA, SURE.during)[0]).toMatch(/12 of 12 calls took over/);
  });

  test('by its failures', () => {
    expect(faultsOf(calls(10, 50, 1, 10), calls(90, 50, 2), CRITERIA, SURE.during)).toEqual([
      '10 of its 20 calls failed, and 0 of 90 at the others.',
    ]);
    // Where the others fail as well it is not the canary.
    expect(faultsOf(calls(10, 50, 1, 10), calls(45, 50, 2, 45), CRITERIA, SURE.during)).toEqual([]);
  });

  test('by a limit, where there is nobody beside it', () => {
    const [first] = faultsOf(calls(40, 500, 1), NONE, CRITERIA, SURE.atEnd);
    expect(first).toMatch(/took over 200 ms, and its p95 is \d+ ms, that of the others not known/);
  });
});
