import type { Prefix } from '../../core/call.ts';
import type { PrefixFigures, PrefixResult } from '../../core/events.ts';
import type { Worker } from '../../core/worker.ts';
import type { PrefixTree } from '../prefix/prefix-tree.ts';
import { hash32 } from './hash.ts';
import { AFFINITY_BOUND, type BalancerSettings, callsAt, type LoadBalancer, meanLoad, weightOf } from './load-balancer.ts';

/** What a call that runs costs another beside it, in blocks of prompt that would take as long to read. */
const BLOCKS_A_CALL = 2;
/** What each call costs that has no seat there, which is a wait for a generation to end. */
const BLOCKS_A_WAIT = 50;
/** How many calls more than the bound of affinity a worker may have and still be sent what it has the beginning of. */
const BOUND_CALLS = 2;

/** Who has what of prompts, as far as is known. */
export type KnownPrefixes = Pick<PrefixTree, 'matched' | 'unread' | 'hold' | 'reading' | 'figures'>;

/** Where a prompt goes, and what was known of it there. */
export interface PrefixRoute {
  readonly worker: Worker;
  /** Of the prompt's full blocks, how many the worker has. */
  readonly matched: number;
  readonly result: PrefixResult;
}

/**
 * Sends a prompt where its beginning is, if that pays. What a worker costs is what there is to read before the first token: what it has been
 * sent and not read, and of this prompt what it does not have; with something for each call that runs beside it, and more for each that
 * waits for a seat. The workers that have most of the prompt are held against the one that the policy (p2c) would take: where prompts have
 * little in common, or those have much to do, the policy's choice costs less, and is taken. Where all costs are the same, as for a prompt
 * that is new to a house at rest, the hash of the first block that nobody has decides, so that every gateway in front of the same workers
 * sends it to the same.
 * vLLM can also publish what its cache holds (`--kv-events-config`, over ZeroMQ): `npm run show:prefix` has an arm that knows that to the
 * block at every moment (`oracle`), and is no better than what is known here by more than chance.
 */
export class PrefixRoutes {
  readonly #tree: KnownPrefixes;
  readonly #balancer: LoadBalancer;
  readonly #counts: Record<PrefixResult, number> = { held: 0, spilled: 0, new: 0 };
  #sent = 0;
  #matched = 0;

  constructor(tree: KnownPrefixes, balancer: LoadBalancer) {
    this.#tree = tree;
    this.#balancer = balancer;
  }

  get figures(): PrefixFigures {
    return { ...this.#tree.figures, ...this.#counts, sent: this.#sent, matched: this.#matched };
  }

  /** `candidates` is not empty. `now`: monotonic ms */
  choose(candidates: readonly Worker[], settings: BalancerSettings, prefix: Prefix, now: number): PrefixRoute {
    const plain = this.#balancer.choose(candidates, settings, null, now);
    const matches = candidates.map((worker) => this.#tree.matched(worker, prefix));
    const most = Math.max(...matches);
    const unknown = String(prefix.blocks[most] ?? '');
    const bound = meanLoad(candidates, settings, now) * AFFINITY_BOUND;
    let [best, matched, least, highest] = [plain, 0, Infinity, -1];
    for (const [at, worker] of candidates.entries()) {
      const has = matches[at]!;
      const weight = weightOf(worker, settings, now);
      const calls = callsAt(worker);
      if (worker !== plain && (has < most || calls > bound * weight + BOUND_CALLS)) continue;
      const waiting = Math.max(0, calls + 1 - worker.view.maxNumSeqs);
      const cost = (this.#tree.unread(worker) + prefix.size - has + BLOCKS_A_CALL * calls + BLOCKS_A_WAIT * waiting) / weight;
      if (cost > least) continue;
      const hash = hash32(worker.id, unknown);
      if (cost < least || hash > highest) [best, matched, least, highest] = [worker, has, cost, hash];
    }
    return { worker: best, matched, result: most === 0 ? 'new' : matched === most ? 'held' : 'spilled' };
  }

  /** The call goes there: the worker has the prompt from now on. @returns to be called when it begins to answer, or never will */
  place({ worker, matched, result }: PrefixRoute, prefix: Prefix): () => void {
    this.#counts[result]++;
    this.#sent += prefix.blocks.length;
    this.#matched += matched;
    this.#tree.hold(worker, prefix.blocks);
    return this.#tree.reading(worker, prefix.size - matched);
  }
}
