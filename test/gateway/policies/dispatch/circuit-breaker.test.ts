import { describe, expect, test } from 'vitest';
import type { Random } from '../../../../gateway/core/random.ts';
import { CircuitBreaker, type BreakerSettings, type Permit } from '../../../../gateway/policies/dispatch/circuit-breaker.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const SETTINGS: BreakerSettings = {
  failures: 5,
  window_ms: 30_000,
  failure_rate: 0.5,
  min_requests: 10,
  open_ms: 30_000,
  success_to_close: 2,
};
const START = 1_000_000;
/** Jitter that changes nothing: 1 - 0.2 + 2 * 0.2 * 0.5. */
const STEADY: Random = { next: () => 0.5 };

function setUp(over: Partial<BreakerSettings> = {}, random: Random = STEADY) {
  const moves: string[] = [];
  const breaker = new CircuitBreaker({ ...SETTINGS, ...over }, random, (from, to, reason) => moves.push(`${from}>${to}:${reason}`));
  return { breaker, moves };
}

function pass(breaker: CircuitBreaker, now: number): Permit {
  const permit = breaker.acquire(now);
  if (!permit) throw new Error(`no permit at ${now - START} ms while ${breaker.state}`);
  return permit;
}

function fail(breaker: CircuitBreaker, now: number, times = 1): void {
  for (let i = 0; i < times; i++) pass(breaker, now).failed(now, 'connect');
}

function succeed(breaker: CircuitBreaker, now: number, times = 1): void {
  for (let i = 0; i < times; i++) pass(breaker, now).succeeded(now);
}

/** Opens it and lets each probe fail, so that it has opened `times` times. @returns how long it stays open, in ms */
function openFor(breaker: CircuitBreaker, times: number): number[] {
  const spans: number[] = [];
  let now = START;
  fail(breaker, now, SETTINGS.failures);
  for (;;) {
    spans.push(breaker.openUntilMs! - now);
    if (spans.length === times) return spans;
    now = breaker.openUntilMs!;
    fail(breaker, now);
  }
}

describe('opening', () => {
  test('the fifth failure in a row opens it, the fourth does not', () => {
    const { breaker, moves } = setUp();
    fail(breaker, START, 4);
    expect(breaker.state).toBe('closed');
    expect(breaker.consecutiveFailures).toBe(4);
    fail(breaker, START);
    expect(breaker.state).toBe('open');
    expect(moves).toEqual(['closed>open:consecutive_failures']);
    expect(breaker.acquire(START)).toBeNull();
  });

  test('a success between failures begins the count anew', () => {
    const { breaker } = setUp({ min_requests: 1_000 });
    for (let i = 0; i < 20; i++) {
      fail(breaker, START, 4);
      succeed(breaker, START);
    }
    expect(breaker.state).toBe('closed');
    expect(breaker.consecutiveFailures).toBe(0);
  });

  test.each([
    { requests: 9, failed: 8, opens: false, why: 'fewer requests than the floor' },
    { requests: 10, failed: 4, opens: false, why: 'a rate below the limit' },
    { requests: 10, failed: 5, opens: true, why: 'the limit reached at the floor' },
    { requests: 40, failed: 20, opens: true, why: 'the limit reached above the floor' },
  ])('$failed failures of $requests: opens=$opens ($why)', ({ requests, failed, opens }) => {
    const { breaker, moves } = setUp({ failures: 1_000 });
    // Successes first: the rate is only ever looked at when a failure comes.
    succeed(breaker, START, requests - failed);
    fail(breaker, START, failed);
    expect(breaker.state).toBe(opens ? 'open' : 'closed');
    expect(moves).toEqual(opens ? ['closed>open:failure_rate'] : []);
  });

  test('what is older than the window is forgotten, a tenth at a time', () => {
    const { breaker } = setUp({ failures: 1_000 });
    fail(breaker, START, 9);
    succeed(breaker, START + 33_000, 9);
    fail(breaker, START + 33_000);
    expect(breaker.state).toBe('closed');

    const remembered = setUp({ failures: 1_000 }).breaker;
    fail(remembered, START, 9);
    fail(remembered, START + 26_000);
    expect(remembered.state).toBe('open');
  });

  test('a long silence empties the whole window', () => {
    const { breaker } = setUp({ failures: 1_000 });
    for (let i = 0; i < 9; i++) fail(breaker, START + i * 3_000);
    fail(breaker, START + 86_400_000);
    expect(breaker.state).toBe('closed');
  });

  test('neutral results count neither as failure nor as request', () => {
    const { breaker } = setUp();
    fail(breaker, START, 4);
    for (let i = 0; i < 50; i++) pass(breaker, START).neutral();
    expect(breaker.consecutiveFailures).toBe(4);
    fail(breaker, START);
    expect(breaker.state).toBe('open');

    const rate = setUp({ failures: 1_000 }).breaker;
    fail(rate, START, 9);
    for (let i = 0; i < 50; i++) pass(rate, START).neutral();
    expect(rate.state).toBe('closed');
  });

  test('a permit reports once: what it says after that is not heard', () => {
    const { breaker } = setUp();
    const permit = pass(breaker, START);
    for (let i = 0; i < 10; i++) permit.failed(START, 'connect');
    expect(breaker.consecutiveFailures).toBe(1);
    permit.succeeded(START);
    expect(breaker.consecutiveFailures).toBe(1);
  });

  test('the back-off begins when the failure is reported, however long ago the call was sent', () => {
    const { breaker } = setUp();
    const permits = Array.from({ length: 5 }, () => pass(breaker, START));
    for (const permit of permits) permit.failed(START + 60_000, 'first_token_timeout');
    expect(breaker.openUntilMs).toBe(START + 61_000);
    expect(breaker.admits(START + 60_500)).toBe(false);
  });

  test('slow failures fall into the window in which they are reported', () => {
    const { breaker } = setUp({ failures: 1_000 });
    const slow = Array.from({ length: 9 }, () => pass(breaker, START));
    for (const permit of slow) permit.failed(START + 60_000, 'first_token_timeout');
    fail(breaker, START + 70_000);
    expect(breaker.state).toBe('open');
  });
});

describe('back-off', () => {
  test('doubles from one second to the cap', () => {
    const { breaker } = setUp();
    expect(openFor(breaker, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('is never longer than a cap below a second', () => {
    const { breaker } = setUp({ open_ms: 300 });
    expect(openFor(breaker, 3)).toEqual([300, 300, 300]);
  });

  test('does not overflow, however often it opens', () => {
    const spans = openFor(setUp().breaker, 2_000);
    expect(spans.at(-1)).toBe(30_000);
  });

  test('lies within a fifth of its step and differs from one breaker to the next', () => {
    const steps = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000];
    const firsts = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const spans = openFor(setUp({}, seededRandom(seed)).breaker, steps.length);
      firsts.add(spans[0]!);
      for (const [i, span] of spans.entries()) {
        expect(span).toBeGreaterThanOrEqual(steps[i]! * 0.8);
        expect(span).toBeLessThanOrEqual(Math.min(steps[i]! * 1.2, 30_000));
      }
    }
    expect(firsts.size).toBeGreaterThan(150);
  });

  test('begins at a second again after it has closed', () => {
    const { breaker } = setUp();
    openFor(breaker, 4);
    const later = breaker.openUntilMs!;
    succeed(breaker, later, 2);
    expect(breaker.state).toBe('closed');
    fail(breaker, later, 5);
    expect(breaker.openUntilMs).toBe(later + 1_000);
  });

  test('admits nobody before its time and says when that is', () => {
    const { breaker } = setUp();
    fail(breaker, START, 5);
    expect(breaker.openUntilMs).toBe(START + 1_000);
    expect(breaker.admits(START + 999)).toBe(false);
    expect(breaker.acquire(START + 999)).toBeNull();
    expect(breaker.admits(START + 1_000)).toBe(true);
    expect(breaker.state).toBe('open');
  });
});

describe('half-open', () => {
  function halfOpen(over: Partial<BreakerSettings> = {}) {
    const parts = setUp(over);
    fail(parts.breaker, START, 5);
    const now = parts.breaker.openUntilMs!;
    return { ...parts, now, probe: pass(parts.breaker, now) };
  }

  test('admits exactly one probe; everyone else is turned away at once', () => {
    const { breaker, now, moves } = halfOpen();
    expect(moves.at(-1)).toBe('open>half_open:backoff_over');
    for (let i = 0; i < 100; i++) {
      expect(breaker.admits(now + i)).toBe(false);
      expect(breaker.acquire(now + i)).toBeNull();
    }
  });

  test('admits the next probe when the first has succeeded, and closes with the last that is needed', () => {
    const { breaker, now, probe, moves } = halfOpen({ success_to_close: 3 });
    probe.succeeded(now);
    pass(breaker, now).succeeded(now);
    expect(breaker.state).toBe('half_open');
    pass(breaker, now).succeeded(now);
    expect(breaker.state).toBe('closed');
    expect(moves.at(-1)).toBe('half_open>closed:probes_succeeded');
  });

  test('a failed probe opens it for twice as long and says what failed', () => {
    const { breaker, now, probe, moves } = halfOpen();
    probe.failed(now + 500, 'status_500');
    expect(moves.at(-1)).toBe('half_open>open:probe_failed:status_500');
    expect(breaker.openUntilMs).toBe(now + 500 + 2_000);
  });

  test('a probe that ends neutrally makes room for another and proves nothing', () => {
    const { breaker, now, probe } = halfOpen({ success_to_close: 1 });
    probe.neutral();
    expect(breaker.state).toBe('half_open');
    expect(breaker.admits(now)).toBe(true);
    expect(breaker.acquire(now)).not.toBeNull();
    expect(breaker.acquire(now)).toBeNull();
  });

  test('a failure after some good probes opens it, and the good ones are forgotten', () => {
    const { breaker, now, probe } = halfOpen();
    probe.succeeded(now);
    pass(breaker, now).failed(now, 'connect');
    const again = breaker.openUntilMs!;
    succeed(breaker, again);
    expect(breaker.state).toBe('half_open');
  });
});

describe('late results', () => {
  test('of calls from before it opened are ignored while it is open, half open and closed again', () => {
    const { breaker } = setUp({ success_to_close: 1 });
    const old = Array.from({ length: 12 }, () => pass(breaker, START));
    fail(breaker, START, 5);
    old[0]!.succeeded(START);
    old[1]!.failed(START, 'connect');
    expect(breaker.openUntilMs).toBe(START + 1_000);

    const now = START + 1_000;
    const probe = pass(breaker, now);
    old[2]!.failed(now, 'connect');
    old[3]!.succeeded(now);
    old[4]!.neutral();
    expect(breaker.state).toBe('half_open');
    expect(breaker.acquire(now)).toBeNull();

    probe.succeeded(now);
    for (const permit of old.slice(5)) permit.failed(now, 'connect');
    expect(breaker.state).toBe('closed');
    expect(breaker.consecutiveFailures).toBe(0);
  });

  test('of an earlier probe do not count for a later one', () => {
    const { breaker } = setUp();
    fail(breaker, START, 5);
    const probe = pass(breaker, START + 1_000);
    breaker.reset('worker_ready');
    fail(breaker, START + 1_000, 5);
    const later = breaker.openUntilMs!;
    pass(breaker, later);
    probe.failed(later, 'connect');
    probe.neutral();
    expect(breaker.state).toBe('half_open');
    expect(breaker.acquire(later)).toBeNull();
  });
});

describe('reset and configure', () => {
  test('a reset closes it at once, says why, and forgets how often it opened', () => {
    const { breaker, moves } = setUp();
    openFor(breaker, 4);
    breaker.reset('worker_ready');
    expect(breaker.state).toBe('closed');
    expect(moves.at(-1)).toBe('open>closed:worker_ready');
    fail(breaker, START, 5);
    expect(breaker.openUntilMs).toBe(START + 1_000);
  });

  test('a reset while closed forgets failures, those still to come included, and is no transition', () => {
    const { breaker, moves } = setUp();
    const old = Array.from({ length: 5 }, () => pass(breaker, START));
    fail(breaker, START, 4);
    breaker.reset('worker_ready');
    expect(breaker.consecutiveFailures).toBe(0);
    for (const permit of old) permit.failed(START, 'connect');
    expect(breaker.state).toBe('closed');
    expect(moves).toEqual([]);
  });

  test('new thresholds hold from the next result on', () => {
    const { breaker } = setUp();
    fail(breaker, START, 2);
    breaker.configure({ ...SETTINGS, failures: 3 });
    expect(breaker.state).toBe('closed');
    fail(breaker, START);
    expect(breaker.state).toBe('open');
  });

  test('a longer window takes effect on a breaker that never opened', () => {
    const { breaker } = setUp({ failures: 1_000 });
    breaker.configure({ ...SETTINGS, failures: 1_000, window_ms: 300_000 });
    fail(breaker, START, 9);
    fail(breaker, START + 200_000);
    expect(breaker.state).toBe('open');
  });

  test('other thresholds leave what the window holds', () => {
    const { breaker } = setUp({ failures: 1_000 });
    fail(breaker, START, 9);
    breaker.configure({ ...SETTINGS, failures: 999 });
    fail(breaker, START);
    expect(breaker.state).toBe('open');
  });
});
