import { describe, expect, test } from 'vitest';
import type { Random } from '../../../../gateway/core/random.ts';
import { LoadBalancer, loadScore, slowStart, type BalancerSettings } from '../../../../gateway/policies/dispatch/load-balancer.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const SETTINGS: BalancerSettings = { policy: 'p2c', affinity: 'none', slow_start_ms: 30_000 };
const NOW = 1_000_000;

function workers(count: number, maxNumSeqs = 16): FakeWorker[] {
  return Array.from({ length: count }, (_, i) => new FakeWorker(`w${i}`, { maxNumSeqs }));
}

/** The numbers of `values`, in order, then the last for good. */
function fixed(...values: number[]): Random {
  let at = 0;
  return { next: () => values[Math.min(at++, values.length - 1)]! };
}

function choices(
  balancer: LoadBalancer,
  all: readonly FakeWorker[],
  settings: BalancerSettings,
  count: number,
  key?: (i: number) => string,
) {
  const chosen = new Map(all.map((worker) => [worker.id, 0]));
  for (let i = 0; i < count; i++) {
    const { id } = balancer.choose(all, settings, key ? key(i) : null, NOW);
    chosen.set(id, chosen.get(id)! + 1);
  }
  return chosen;
}

describe('how busy a worker is', () => {
  test('counts our own calls, those that others brought, and twice those waiting, for its size', () => {
    const [worker] = workers(1) as [FakeWorker];
    worker.inFlight = 3;
    Object.assign(worker.load, { scrapedAt: NOW, running: 6, waiting: 2, inFlightAtScrape: 3 });
    // 3 of ours, 6 + 2 - 3 of others, 2 * 2 for the wait, and the call to be placed.
    expect(loadScore(worker, SETTINGS, NOW)).toBe((3 + 5 + 4 + 1) / 16);
  });

  test('does not count our own calls a second time by what was scraped', () => {
    const [worker] = workers(1) as [FakeWorker];
    worker.inFlight = 5;
    Object.assign(worker.load, { scrapedAt: NOW, running: 2, waiting: 0, inFlightAtScrape: 5 });
    expect(loadScore(worker, SETTINGS, NOW)).toBe(6 / 16);
  });
});

describe('slow start', () => {
  test.each([
    { sinceMs: 0, share: 0.1 },
    { sinceMs: 1_500, share: 0.1 },
    { sinceMs: 15_000, share: 0.5 },
    { sinceMs: 29_999, share: 29_999 / 30_000 },
    { sinceMs: 30_000, share: 1 },
    { sinceMs: 900_000, share: 1 },
  ])('after $sinceMs ms a worker is trusted with $share of its size', ({ sinceMs, share }) => {
    const [worker] = workers(1) as [FakeWorker];
    worker.life = { since: NOW - sinceMs };
    expect(slowStart(worker, SETTINGS, NOW)).toBe(share);
  });

  test('is off at 0, and for a worker of which nobody knows since when it is ready', () => {
    const [worker] = workers(1) as [FakeWorker];
    worker.life = { since: NOW };
    expect(slowStart(worker, { ...SETTINGS, slow_start_ms: 0 }, NOW)).toBe(1);
    worker.life = null;
    expect(slowStart(worker, SETTINGS, NOW)).toBe(1);
  });

  test('gives a worker its share of the calls in flight and no more', () => {
    const all = workers(2, 100) as [FakeWorker, FakeWorker];
    all[1].life = { since: NOW - 6_000 };
    const balancer = new LoadBalancer(seededRandom(1));
    for (let i = 0; i < 120; i++) (balancer.choose(all, SETTINGS, null, NOW) as FakeWorker).inFlight++;
    expect(all[1].inFlight / all[0].inFlight).toBeCloseTo(0.2, 1);
  });
});

describe('power of two choices', () => {
  test('takes the less loaded of the two drawn, whichever was drawn first', () => {
    const all = workers(4);
    all[1]!.inFlight = 5;
    all[2]!.inFlight = 2;
    // The first number picks the first worker, the second how far on the other lies.
    expect(new LoadBalancer(fixed(0.25, 0)).choose(all, SETTINGS, null, NOW).id).toBe('w2');
    expect(new LoadBalancer(fixed(0.5, 0.9)).choose(all, SETTINGS, null, NOW).id).toBe('w2');
  });

  test('always draws two different workers, and every pair', () => {
    const random = seededRandom(7);
    const pairs = new Set<string>();
    for (let i = 0; i < 500; i++) {
      const all = workers(4);
      const drawn = new Set<string>();
      // A worker tells that it was drawn by having its size looked at.
      for (const worker of all) {
        const { view } = worker;
        Object.defineProperty(worker, 'view', {
          get() {
            drawn.add(worker.id);
            return view;
          },
        });
      }
      new LoadBalancer(random).choose(all, SETTINGS, null, NOW);
      expect(drawn.size).toBe(2);
      pairs.add([...drawn].sort().join());
    }
    expect(pairs.size).toBe(6);
  });

  test('never takes the most loaded of all', () => {
    const all = workers(3);
    all[0]!.inFlight = 9;
    const chosen = choices(new LoadBalancer(seededRandom(3)), all, SETTINGS, 1_000);
    expect(chosen.get('w0')).toBe(0);
  });

  test('weighs calls by size: two calls fill a small worker more than four a big one', () => {
    const small = new FakeWorker('small', { maxNumSeqs: 8 });
    const big = new FakeWorker('big', { maxNumSeqs: 64 });
    small.inFlight = 2;
    big.inFlight = 4;
    expect(new LoadBalancer(fixed(0)).choose([small, big], SETTINGS, null, NOW).id).toBe('big');
  });
});

describe('round robin', () => {
  const settings: BalancerSettings = { ...SETTINGS, policy: 'round_robin' };

  test('gives everyone one call a round', () => {
    const chosen = choices(new LoadBalancer(fixed(0)), workers(3), settings, 300);
    expect([...chosen.values()]).toEqual([100, 100, 100]);
  });

  test('is fair to the workers of each of two models whose calls alternate', () => {
    const chat = [new FakeWorker('c0'), new FakeWorker('c1')];
    const embeddings = [new FakeWorker('e0'), new FakeWorker('e1')];
    const balancer = new LoadBalancer(fixed(0));
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      for (const candidates of [chat, embeddings]) seen.push(balancer.choose(candidates, settings, null, NOW).id);
    }
    expect(seen).toEqual(['c0', 'e0', 'c1', 'e1', 'c0', 'e0', 'c1', 'e1']);
  });

  test('stays fair among the rest while one is left out', () => {
    const all = workers(3);
    const balancer = new LoadBalancer(fixed(0));
    choices(balancer, all, settings, 4);
    const chosen = choices(balancer, all.slice(1), settings, 10);
    expect([...chosen.values()]).toEqual([5, 5]);
  });
});

test('least loaded takes the least loaded of all, and the first of equals', () => {
  const all = workers(5);
  for (const [i, worker] of all.entries()) worker.inFlight = [4, 2, 1, 1, 3][i]!;
  const balancer = new LoadBalancer(fixed(0));
  expect(balancer.choose(all, { ...SETTINGS, policy: 'least_loaded' }, null, NOW).id).toBe('w2');
});

test('with one candidate there is nothing to choose, whatever the policy', () => {
  const [only] = workers(1) as [FakeWorker];
  only.inFlight = 1_000;
  for (const policy of ['p2c', 'round_robin', 'least_loaded'] as const) {
    expect(new LoadBalancer(fixed(0)).choose([only], { ...SETTINGS, policy }, 'key', NOW)).toBe(only);
  }
});

describe('affinity', () => {
  const settings: BalancerSettings = { ...SETTINGS, policy: 'least_loaded', affinity: 'session' };
  const keys = Array.from({ length: 2_000 }, (_, i) => `session-${i}`);

  function homes(all: readonly FakeWorker[]): Map<string, string> {
    const balancer = new LoadBalancer(seededRandom(1));
    return new Map(keys.map((key) => [key, balancer.choose(all, settings, key, NOW).id]));
  }

  test('sends calls of one session to one worker, and sessions evenly to all', () => {
    const all = workers(4);
    const found = homes(all);
    expect(homes(all)).toEqual(found);
    for (const { id } of all) {
      const share = [...found.values()].filter((home) => home === id).length / keys.length;
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.3);
    }
  });

  test('does not depend on the order of the workers', () => {
    const all = workers(4);
    expect(homes([...all].reverse())).toEqual(homes(all));
  });

  test('when a worker leaves, only its own sessions move', () => {
    const all = workers(4);
    const before = homes(all);
    const after = homes(all.filter((worker) => worker.id !== 'w2'));
    for (const key of keys) if (before.get(key) !== 'w2') expect(after.get(key)).toBe(before.get(key));
  });

  test('when a worker joins, sessions only move to it', () => {
    const all = workers(4);
    const before = homes(all.slice(0, 3));
    const after = homes(all);
    for (const key of keys) if (after.get(key) !== 'w3') expect(after.get(key)).toBe(before.get(key));
  });

  test('holds for a session of two calls at once in a quiet house', () => {
    const all = workers(2) as [FakeWorker, FakeWorker];
    const balancer = new LoadBalancer(seededRandom(1));
    const home = balancer.choose(all, settings, 'session', NOW) as FakeWorker;
    home.inFlight++;
    expect(balancer.choose(all, settings, 'session', NOW)).toBe(home);
  });

  test('holds for an idle worker, however much smaller than the others it is', () => {
    const all = [new FakeWorker('small', { maxNumSeqs: 4 }), new FakeWorker('big', { maxNumSeqs: 256 })];
    const found = homes(all);
    expect([...found.values()].filter((home) => home === 'small').length / keys.length).toBeGreaterThan(0.4);
  });

  test('never piles up: one session with all the calls fills no worker more than a quarter above the mean', () => {
    const all = workers(4);
    const balancer = new LoadBalancer(seededRandom(1));
    for (let i = 1; i <= 400; i++) {
      (balancer.choose(all, settings, 'the only session', NOW) as FakeWorker).inFlight++;
      const most = Math.max(...all.map((worker) => worker.inFlight));
      expect(most).toBeLessThanOrEqual(Math.ceil((i / 4) * 1.25) + 1);
    }
    expect(Math.min(...all.map((worker) => worker.inFlight))).toBeGreaterThan(80);
  });

  test('gives a worker in slow start no more of a session than it is trusted with', () => {
    const all = workers(2, 100);
    const balancer = new LoadBalancer(seededRandom(1));
    const home = balancer.choose(all, settings, 'session', NOW) as FakeWorker;
    home.life = { since: NOW - 3_000 };
    for (let i = 0; i < 110; i++) (balancer.choose(all, settings, 'session', NOW) as FakeWorker).inFlight++;
    expect(home.inFlight).toBeLessThanOrEqual(14);
  });
});
