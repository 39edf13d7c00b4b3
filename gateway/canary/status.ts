import type { Observed } from './sample.ts';
import { quantileOf } from './statistics.ts';

/** What GET and POST /admin/canary answer. */
export interface CanaryStatus {
  readonly state: 'none' | 'running' | 'promoted' | 'rolled_back' | 'aborted';
  /** The group that is, or was last, on trial; null: none was. */
  readonly group: string | null;
  /** The group that gets whatever is not on trial. */
  readonly serving: string;
  /** Percent of the calls that go on trial now. */
  readonly percent: number;
  readonly step: {
    readonly number: number;
    readonly of: number;
    readonly elapsed_seconds: number;
    readonly seconds: number;
    /** Calls that it takes, however long that is. */
    readonly min_calls: number;
  } | null;
  /** Of this step; null while none runs. */
  readonly canary: CanaryFigures | null;
  readonly main: CanaryFigures | null;
  /** How it stands, and why, in a sentence. */
  readonly message: string;
  /** What has happened in this canary, the latest last. */
  readonly history: readonly { readonly at: string; readonly message: string }[];
}

export interface CanaryFigures {
  readonly calls: number;
  readonly failed: number;
  readonly p95_ttft_ms: number | null;
  readonly p95_tpot_ms: number | null;
  readonly p95_e2e_ms: number | null;
}

export function figuresOf({ ok, failed, ttft, tpot, e2e }: Observed): CanaryFigures {
  return { calls: ok + failed, failed, p95_ttft_ms: p95(ttft), p95_tpot_ms: p95(tpot), p95_e2e_ms: p95(e2e) };
}

function p95(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return (
    Math.round(
      quantileOf(
        values.toSorted((a, b) => a - b),
        0.95,
      ) * 10,
    ) / 10
  );
}
