import { type CallRecord, isError, type Outcome } from '../calls/call-record.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import { isGood, type Slo } from './slo.ts';
import { type Lateness, latenessOf } from './lateness.ts';
import { e2eOf, itlsOf, tpotOf, ttftOf } from './times.ts';

/** What a set of calls came to. Times in milliseconds, rates a second; times are of calls that were answered whole. */
export interface Summary extends Lateness {
  readonly calls: number;
  readonly ok: number;
  /** Those that ended otherwise, but not those that the load itself hung up on. */
  readonly errors: number;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  /** Errors by status and code, the most frequent first. */
  readonly errorKinds: readonly (readonly [string, number])[];
  readonly durationMs: number;
  readonly requestRate: number;
  readonly outputTokenRate: number;
  readonly totalTokenRate: number;
  /** Calls a second that kept to the objectives; null where none were named. */
  readonly goodput: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly ttft: Distribution;
  readonly tpot: Distribution;
  readonly itl: Distribution;
  readonly e2e: Distribution;
  readonly queue: Distribution;
}

/** `durationMs`: the time that rates are taken over. */
export function summaryOf(records: readonly CallRecord[], durationMs: number, slo: Slo): Summary {
  const whole = records.filter(({ outcome }) => outcome === 'ok');
  const seconds = durationMs / 1000;
  const [inputTokens, outputTokens, cachedTokens] = [sum(whole, 'inputTokens'), sum(whole, 'outputTokens'), sum(whole, 'cachedTokens')];
  const errors = records.filter(isError);
  return {
    calls: records.length,
    ok: whole.length,
    errors: errors.length,
    outcomes: counted(records.map(({ outcome }) => outcome)),
    errorKinds: Object.entries(counted(errors.map(kindOf))).toSorted(([, a], [, b]) => b - a),
    durationMs,
    requestRate: whole.length / seconds,
    outputTokenRate: outputTokens / seconds,
    totalTokenRate: (inputTokens + outputTokens) / seconds,
    goodput: Object.keys(slo).length === 0 ? null : records.filter((record) => isGood(record, slo)).length / seconds,
    ...{ inputTokens, outputTokens, cachedTokens },
    ttft: distributionOf(whole.map(ttftOf)),
    tpot: distributionOf(whole.map(tpotOf)),
    itl: distributionOf(gapsOf(whole)),
    e2e: distributionOf(whole.map(e2eOf)),
    queue: distributionOf(whole.map(({ queueMs }) => queueMs)),
    ...latenessOf(records),
  };
}

function* gapsOf(records: readonly CallRecord[]): Generator<number> {
  for (const record of records) yield* itlsOf(record);
}

function kindOf({ outcome, status, code }: CallRecord): string {
  return [outcome, status === 0 ? null : String(status), code].filter((part) => part !== null).join(' ');
}

function counted<T extends string>(values: readonly T[]): Record<T, number> {
  const counts = {} as Record<T, number>;
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

function sum(records: readonly CallRecord[], field: 'inputTokens' | 'outputTokens' | 'cachedTokens'): number {
  return records.reduce((total, record) => total + record[field], 0);
}
