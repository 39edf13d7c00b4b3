import { type CallRecord, isError } from '../../load/calls/call-record.ts';
import { distributionOf } from '../../load/figures/distribution.ts';
import { isGood, type Slo } from '../../load/figures/slo.ts';
import { e2eOf, itlMeanOf, tpotOf, ttftOf } from '../../load/figures/times.ts';
import { tokensWithin } from '../../load/figures/tokens-within.ts';
import { counted, type Slot } from './slot.ts';

const TIMES = { ttft: ttftOf, e2e: e2eOf, tpot: tpotOf, itl: itlMeanOf } as const;
const SHAPES = ['mean', 'p50', 'p90', 'p95', 'p99'] as const;
type Time = keyof typeof TIMES;
type Shape = (typeof SHAPES)[number];

/** One figure of a slot that arms are compared by. */
export type Metric =
  | { readonly kind: 'time'; readonly time: Time; readonly shape: Shape }
  | { readonly kind: 'throughput' }
  | { readonly kind: 'goodput' }
  | { readonly kind: 'errors' };

/** Reads `ttft:p95`, `tpot:mean`, `throughput`, `goodput` or `errors`. @returns null where it is none of them */
export function readMetric(text: string): Metric | null {
  if (text === 'throughput' || text === 'goodput' || text === 'errors') return { kind: text };
  const [name = '', shape, ...rest] = text.split(':');
  const found = SHAPES.find((each) => each === shape);
  return Object.hasOwn(TIMES, name) && found !== undefined && rest.length === 0 ? { kind: 'time', time: name as Time, shape: found } : null;
}

/** As it is written on a command line. */
export function metricKey(metric: Metric): string {
  return metric.kind === 'time' ? `${metric.time}:${metric.shape}` : metric.kind;
}

/** As people read it: `p95 TTFT`. */
export function metricName(metric: Metric): string {
  return metric.kind === 'time' ? `${metric.shape} ${metric.time.toUpperCase()}` : metric.kind;
}

/** 1: more is better; −1: less is. */
export function goodSign({ kind }: Metric): 1 | -1 {
  return kind === 'throughput' || kind === 'goodput' ? 1 : -1;
}

/** Ratios are compared of what is never nothing, differences of the rest. */
export function isRatio({ kind }: Metric): boolean {
  return kind === 'time' || kind === 'throughput';
}

/** The figure of one slot: milliseconds, output tokens a second (whole answers a second where none have any), good calls a second, or the share of calls that failed. NaN: it has none. */
export function valueOf(metric: Metric, slot: Slot, slo: Slo): number {
  const seconds = (slot.endMs - slot.settleMs) / 1000;
  const calls = counted(slot);
  switch (metric.kind) {
    case 'time': {
      const whole = calls.filter(({ outcome }) => outcome === 'ok');
      return distributionOf(whole.map(TIMES[metric.time]))[metric.shape];
    }
    case 'throughput':
      return slot.records.reduce((sum, record) => sum + answeredWithin(record, slot), 0) / seconds;
    case 'goodput':
      return calls.filter((record) => isGood(record, slo)).length / seconds;
    case 'errors': {
      const told = calls.filter(({ outcome }) => outcome !== 'cancelled' && outcome !== 'unfinished');
      return told.length === 0 ? NaN : told.filter(isError).length / told.length;
    }
  }
}

/** What of an answer came while its slot counted: tokens; of one that has none, such as an embedding, itself. */
function answeredWithin(record: CallRecord, { settleMs, endMs }: Slot): number {
  if (record.outcome !== 'ok') return 0;
  const hasNone = record.tokensAt.length === 0 && record.outputTokens === 0;
  return tokensWithin(hasNone ? { ...record, outputTokens: 1 } : record, settleMs, endMs);
}
