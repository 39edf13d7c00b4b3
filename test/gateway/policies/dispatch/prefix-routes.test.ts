import { describe, expect, test } from 'vitest';
import type { Prefix } from '../../../../gateway/core/call.ts';
import { LoadBalancer, type BalancerSettings } from '../../../../gateway/policies/dispatch/load-balancer.ts';
import { PrefixRoutes } from '../../../../gateway/policies/dispatch/prefix-routes.ts';
import { PrefixTree } from '../../../../gateway/policies/prefix/prefix-tree.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const SETTINGS: BalancerSettings = { policy: 'p2c', affinity: 'prefix', slow_start_ms: 30_000 };
const NOW = 1_000_000;
const upTo = (count: number, from: number): number[] => Array.from({ length: count }, (_, i) => from + i);
const prefixOf = (blocks: readonly number[]): Prefix => ({ blocks, size: blocks.length + 40 / 256 });
/** So many blocks that all have, and so many of its own. */
let own = 1_000_000;
const prompt = (shared: number, rest: number): Prefix => prefixOf([...upTo(shared, 1), ...upTo(rest, (own += 10_000))]);

function setUp(count: number, seed = 1) {
  const workers = Array.from({ length: count }, (_, i) => new FakeWorker(`w${i}`));
  const tree = new PrefixTree(() => workers);
  const routes = new PrefixRoutes(tree, new LoadBalancer(seededRandom(seed)));
  const choose = (prefix: Prefix, among: readonly FakeWorker[] = workers) => routes.choose(among, SETTINGS, prefix, NOW);
  /** Sends it; what it gives is to be called when its answer begins. */
  function send(prefix: Prefix): { readonly worker: FakeWorker; readonly begin: () => void } {
    const route = choose(prefix);
    (route.worker as FakeWorker).inFlight++;
    return { worker: route.worker as FakeWorker, begin: routes.place(route, prefix) };
  }
  return { workers, tree, routes, choose, send };
}

describe('a prompt', () => {
  test('goes where the most of it is', () => {
    const { workers, tree, choose } = setUp(4);
    const long = prompt(0, 40);
    tree.hold(workers[1]!, long.blocks.slice(0, 10));
    tree.hold(workers[2]!, long.blocks.slice(0, 30));
    expect(choose(long)).toEqual({ worker: workers[2], matched: 30, result: 'held' });
  });

  test('goes elsewhere where its holder has more to read first than the rest of it is worth, and that worker has it then as well', () => {
    const { workers, tree, routes, choose } = setUp(2);
    const [holder, other] = workers as [FakeWorker, FakeWorker];
    const quarter = prompt(26, 74);
    tree.hold(holder, quarter.blocks.slice(0, 26));
    tree.reading(holder, 60);
    const route = choose(quarter);
    expect(route).toMatchObject({ worker: other, matched: 0, result: 'spilled' });
    routes.place(route, quarter);
    expect(tree.matched(other, quarter)).toBe(100);
    expect(routes.figures).toMatchObject({ held: 0, spilled: 1, new: 0, sent: 100, matched: 0 });
  });

  test('stays with a holder that has a little more to do', () => {
    const { workers, tree, choose } = setUp(2);
    const most = prompt(90, 10);
    tree.hold(workers[0]!, most.blocks.slice(0, 90));
    tree.reading(workers[0]!, 20);
    workers[0]!.inFlight = 2;
    expect(choose(most)).toMatchObject({ worker: workers[0], matched: 90 });
  });

  test('that is new to workers at rest goes where its first unknown block says, whoever asks', () => {
    for (let i = 0; i < 50; i++) {
      const fresh = prompt(0, 5);
      const known = prompt(6, 5);
      const found = [1, 2].map((seed) => {
        const { workers, tree, choose } = setUp(4, seed);
        for (const worker of workers) tree.hold(worker, upTo(6, 1));
        // The policy's own choice is one of chance, and among those that are equal.
        return [fresh, known].map((prefix) => choose(prefix, workers).worker.id);
      });
      expect(found[0]).toEqual(found[1]);
    }
  });

  test('never goes to a worker that is not asked, nor to a life that has ended', () => {
    const { workers, tree, choose } = setUp(3);
    const long = prompt(0, 40);
    for (const worker of workers) tree.hold(worker, long.blocks);
    expect(choose(long, workers.slice(1)).worker).not.toBe(workers[0]);
    for (const worker of workers) worker.life = { since: NOW };
    expect(choose(long)).toMatchObject({ matched: 0, result: 'new' });
  });

  test('that all have piles up nowhere', () => {
    const { workers, send } = setUp(4);
    for (let i = 1; i <= 400; i++) {
      send(prompt(200, 3));
      const most = Math.max(...workers.map(({ inFlight }) => inFlight));
      expect(most).toBeLessThanOrEqual((i / 4) * 1.25 + 4);
    }
    expect(Math.min(...workers.map(({ inFlight }) => inFlight))).toBeGreaterThan(80);
  });

  test('that has nothing in common with any other is spread at least as evenly as by the policy alone', () => {
    const { workers, send } = setUp(4);
    for (let i = 0; i < 400; i++) send(prompt(0, 1 + (i % 7)));
    const counts = workers.map(({ inFlight }) => inFlight);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(20);
  });

  test('goes elsewhere before it waits for a seat, and stays where all would wait', () => {
    const { workers, tree, choose } = setUp(2);
    const [holder, other] = workers as [FakeWorker, FakeWorker];
    const shared = prompt(20, 4);
    tree.hold(holder, shared.blocks.slice(0, 20));
    [holder.inFlight, other.inFlight] = [15, 14];
    expect(choose(shared).worker).toBe(holder);
    holder.inFlight = 16;
    expect(choose(shared)).toMatchObject({ worker: other, result: 'spilled' });
    other.inFlight = 16;
    expect(choose(shared).worker).toBe(holder);
  });

  test('goes to a worker in slow start as little as that is trusted with', () => {
    const { workers, send } = setUp(2);
    const [cold] = workers as [FakeWorker];
    cold.life = { since: NOW - 3_000 };
    for (let i = 0; i < 220; i++) send(prompt(0, 4));
    expect(cold.inFlight).toBeGreaterThan(5);
    expect(cold.inFlight).toBeLessThan(40);
  });

  test('counts what waits in a worker that others send to', () => {
    const { workers, tree, choose } = setUp(2);
    const half = prompt(4, 4);
    tree.hold(workers[0]!, half.blocks.slice(0, 4));
    Object.assign(workers[0]!.load, { scrapedAt: NOW, running: 16, waiting: 12, inFlightAtScrape: 0 });
    expect(choose(half)).toMatchObject({ worker: workers[1], result: 'spilled' });
  });
});
