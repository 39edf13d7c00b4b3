import type { Endpoint } from '../calls/target.ts';
import type { CallRecord } from '../calls/call-record.ts';
import type { Slo } from './slo.ts';
import type { Summary } from './summary.ts';
import type { Validity } from './validity.ts';

/** A finished run: what was asked, what came of it, and each call. */
export interface LoadResult {
  readonly startedAt: number;
  readonly wasInterrupted: boolean;
  readonly summary: Summary;
  readonly validity: Validity;
  readonly records: readonly CallRecord[];
  readonly slo: Slo;
  readonly asked: {
    readonly url: string;
    readonly endpoint: Endpoint;
    readonly model: string;
    readonly stream: boolean;
    readonly label: string | null;
    readonly seed: number;
    /** In words: `poisson, 10 a second for 60 s`. */
    readonly pace: string;
    readonly prompts: string;
    /** null: as fast as clients can. */
    readonly requestRate: number | null;
    readonly burstiness: number | null;
    readonly mostAtOnce: number | null;
    readonly cancelShare: number;
  };
  readonly machine: Readonly<Record<string, string | number>>;
  /** Of this Headgate, and what the gateway that was asked says of itself, its engine and its GPUs; null where it is none of ours. */
  readonly versions: Readonly<Record<string, unknown>>;
}
