import type { Prefix } from '../../../gateway/core/call.ts';
import type { Random } from '../../../gateway/core/random.ts';
import type { Worker } from '../../../gateway/core/worker.ts';
import { LoadBalancer, type BalancerSettings } from '../../../gateway/policies/dispatch/load-balancer.ts';
import { type KnownPrefixes, PrefixRoutes } from '../../../gateway/policies/dispatch/prefix-routes.ts';
import { PrefixTree } from '../../../gateway/policies/prefix/prefix-tree.ts';

/** A call, as whoever chooses its worker sees it. */
export interface Asked {
  readonly prefix: Prefix | null;
  /** Its first 256 characters. */
  readonly head: string;
  /** Tokens. */
  readonly prompt: readonly number[];
}

/** Where a call goes, and what is to be called when its answer begins. */
interface Going {
  readonly worker: Worker;
  readonly onRead: () => void;
}

export interface Chooser {
  readonly choose: (asked: Asked, now: number) => Going;
  /** Another process of the same gateway has sent a prompt to a worker. */
  readonly hear: (worker: Worker, blocks: readonly number[]) => void;
}

/**
 * p2c: the less loaded of two · hash: a home for each beginning of 256 characters, within a bound of load, as `affinity: prefix` was ·
 * tree: what `affinity: prefix` is · oracle: the same choice, knowing each engine's cache to the block at every moment.
 */
export const ARMS = ['p2c', 'hash', 'tree', 'oracle'] as const;
export type Arm = (typeof ARMS)[number];

const SETTINGS: BalancerSettings = { policy: 'p2c', affinity: 'none', slow_start_ms: 0 };
const NOTHING = (): void => {};

/** @param has how many tokens of a prompt a worker's cache has */
export function chooserOf(
  arm: Arm,
  workers: readonly Worker[],
  random: Random,
  has: (worker: Worker, prompt: readonly number[]) => number,
): Chooser {
  const balancer = new LoadBalancer(random);
  const plain = (key: string | null, now: number): Going => ({
    worker: balancer.choose(workers, SETTINGS, key, now),
    onRead: NOTHING,
  });
  if (arm === 'p2c') return { choose: (_, now) => plain(null, now), hear: NOTHING };
  if (arm === 'hash') return { choose: ({ head }, now) => plain(head, now), hear: NOTHING };
  const tree = new PrefixTree(() => workers);
  let asking: Asked;
  const oracle: KnownPrefixes = {
    matched: (worker, { size }) => (has(worker, asking.prompt) / asking.prompt.length) * size,
    unread: (worker) => tree.unread(worker),
    hold: (worker, blocks) => tree.hold(worker, blocks),
    reading: (worker, blocks) => tree.reading(worker, blocks),
    figures: { blocks: 0, bytes: 0 },
  };
  const routes = new PrefixRoutes(arm === 'tree' ? tree : oracle, balancer);
  return {
    choose(asked, now) {
      asking = asked;
      if (asked.prefix === null) return plain(null, now);
      const route = routes.choose(workers, SETTINGS, asked.prefix, now);
      return { worker: route.worker, onRead: routes.place(route, asked.prefix) };
    },
    hear: (worker, blocks) => tree.hold(worker, blocks),
  };
}
