import type { Slot } from '../../../scripts/abtest/figures/slot.ts';
import type { CallRecord } from '../../../scripts/load/calls/call-record.ts';

/** A call that was due then and waited so long for its first token, and as long again for its four. */
export function call(scheduledMs: number, ttftMs: number, rest: Partial<CallRecord> = {}): CallRecord {
  const first = scheduledMs + ttftMs;
  const tokensAt = [0, 1, 2, 3].map((token) => first + (token / 3) * ttftMs);
  return {
    ...{
      index: 0,
      scheduledMs,
      sentMs: scheduledMs,
      headMs: first,
      firstTokenMs: first,
      lastTokenMs: first + ttftMs,
      endMs: first + ttftMs,
    },
    ...{
      outcome: 'ok',
      status: 200,
      code: null,
      inputTokens: 10,
      outputTokens: 4,
      cachedTokens: 0,
      worker: null,
      queueMs: NaN,
      windowMs: NaN,
    },
    tokensAt,
    ...rest,
  };
}

/** A slot of 2 s, of which the first does not count. */
export function slot(block: number, arm: number, records: readonly CallRecord[], rest: Partial<Slot> = {}): Slot {
  return { number: block * 2 + arm, block, arm, startMs: 0, settleMs: 1000, endMs: 2000, records, windowMs: null, ...rest };
}
