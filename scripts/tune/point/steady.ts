import type { CallRecord } from '../../load/calls/call-record.ts';
import { tokensWithin } from '../../load/figures/tokens-within.ts';

export interface SteadyRates {
  readonly outputTokenRate: number;
  readonly requestRate: number;
}

/**
 * What clients got a second between two moments of a closed loop (milliseconds from its start), by when each event of their streams came:
 * while places fill, and after the last call was sent, is no picture of what a point can do, and whoever counts whole answers over the whole
 * time blames a point with many sequences for both. Without streams: by the ends of answers.
 */
export function steadyRates(records: readonly CallRecord[], from: number, to: number): SteadyRates {
  const seconds = (to - from) / 1000;
  let [tokens, requests] = [0, 0];
  for (const record of records) {
    const { outcome, tokensAt, endMs, sentMs } = record;
    if (outcome !== 'ok') continue;
    tokens += tokensWithin(record, from, to);
    if (tokensAt.length === 0) {
      if (endMs >= from && endMs < to) requests += 1;
      continue;
    }
    // The part of the call that lay within: whole calls are few in a short load.
    const inside = Math.max(0, Math.min(endMs, to) - Math.max(sentMs, from));
    requests += endMs > sentMs ? inside / (endMs - sentMs) : 0;
  }
  return { outputTokenRate: tokens / seconds, requestRate: requests / seconds };
}
