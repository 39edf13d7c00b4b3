import type { ReleaseCriteria } from '../../gateway/canary/criteria.ts';
import type { CallRecord } from '../load/calls/call-record.ts';
import { type LoadRun, runLoad } from '../load/calls/run-load.ts';
import type { Target } from '../load/calls/target.ts';
import type { Slo } from '../load/figures/slo.ts';
import { type Summary, summaryOf } from '../load/figures/summary.ts';
import { arrivals } from '../load/workload/arrivals.ts';
import type { PromptSource } from '../load/workload/prompts.ts';
import type { RateStage } from '../load/workload/rate.ts';
import { seeded } from '../load/workload/seeded.ts';
import type { Asked } from './asked.ts';
import type { Verdict } from './judging/verdict.ts';

/** What all profiles run on. */
export interface GroundOptions {
  readonly target: Target;
  readonly prompts: PromptSource;
  readonly seed: number;
  readonly criteria: ReleaseCriteria;
  /** All times of the profiles, as a share of what they are usually. */
  readonly scale: number;
  readonly soakMs: number;
  readonly asked: Asked;
  /** The key of another client; null: there is none. */
  readonly floodKey: string | null;
  /** Workers that are away for our sake: whoever leaves at once says which. */
  readonly outOfService: Set<string>;
  readonly signal: AbortSignal;
  /** What goes on, for whoever watches. */
  readonly show: (doing: string) => void;
}

/** What a profile has come to. */
export type ProfileResult =
  | {
      readonly kind: 'ran';
      readonly verdicts: readonly Verdict[];
      /** What was measured, for result.json. */
      readonly figures: Readonly<Record<string, unknown>>;
      /** For the report: each part of the load, and what it came to. */
      readonly parts: readonly { readonly name: string; readonly summary: Summary }[];
      readonly records: readonly CallRecord[];
    }
  | { readonly kind: 'skipped'; readonly why: string };

const LEAST_SECONDS = 2;
/** What is under way is so many calls at the most: beyond that the machine that asks is measured. */
const MOST_AT_ONCE = 4_096;

/** Sends the loads of the profiles, each with prompts that none had before. */
export class Ground {
  readonly options: GroundOptions;
  /** Calls a second. */
  capacity = 0;
  #next = 0;

  constructor(options: GroundOptions) {
    this.options = options;
  }

  /** Seconds that a part takes which usually takes so many. */
  seconds(usual: number): number {
    return Math.max(LEAST_SECONDS, usual * this.options.scale);
  }

  /** Calls at their moments, by a Poisson process. `stop`: ends it early; what is under way then counts as unfinished. */
  async open(
    stages: readonly RateStage[],
    { cancelShare = 0, target = this.options.target, stop = this.options.signal } = {},
  ): Promise<LoadRun> {
    const { prompts, seed } = this.options;
    const at = arrivals(stages, { kind: 'gamma', shape: 1 }, seeded(seed + this.#next));
    const firstIndex = this.#take(at.length);
    return await runLoad(
      { target, pace: { kind: 'open', at, mostAtOnce: MOST_AT_ONCE }, prompts, seed, cancelShare, firstIndex },
      { signal: stop },
    );
  }

  /** So many clients that each wait for their answer, for a time in seconds. */
  async closed(clients: number, seconds: number, { target = this.options.target, stop = this.options.signal } = {}): Promise<LoadRun> {
    const { prompts, seed } = this.options;
    const pace = { kind: 'closed', clients, calls: Infinity, forMs: seconds * 1000 } as const;
    const firstIndex = this.#take(1_000_000);
    return await runLoad({ target, pace, prompts, seed, cancelShare: 0, firstIndex }, { signal: stop });
  }

  summary({ records, durationMs }: Pick<LoadRun, 'records' | 'durationMs'>): Summary {
    return summaryOf(records, durationMs, sloOf(this.options.criteria));
  }

  #take(count: number): number {
    const first = this.#next;
    this.#next += count;
    return first;
  }
}

/** What each call has to keep to in order to count as good. */
export function sloOf({ limits }: ReleaseCriteria): Slo {
  const { p95_ttft_ms: ttft, p95_tpot_ms: tpot, p95_e2e_ms: e2e } = limits;
  return { ...(ttft !== null && { ttft }), ...(tpot !== null && { tpot }), ...(e2e !== null && { e2e }) };
}
