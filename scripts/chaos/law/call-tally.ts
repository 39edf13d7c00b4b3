import type { CallSeen } from './call-seen.ts';

/** What calls came to, as a row of the table shows it. */
export interface Tally {
  readonly requests: number;
  readonly ok: number;
  /** Clean errors, by status and code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Streams that ended with an error event. */
  readonly broken: number;
  readonly left: number;
  /** Ended without a word; lawful only where the gateway itself was killed. */
  readonly cut: number;
  /** Answered with what is no answer; lawful only where it was spoilt on its way. */
  readonly nonsense: number;
  readonly worstMs: number;
}

export function tallyOf(calls: readonly CallSeen[]): Tally {
  const count = (...endings: readonly CallSeen['ending'][]): number => calls.filter(({ ending }) => endings.includes(ending)).length;
  const errors: Record<string, number> = {};
  for (const { ending, status, code } of calls) {
    if (ending === 'refused') errors[`${status} ${code}`] = (errors[`${status} ${code}`] ?? 0) + 1;
  }
  return {
    requests: calls.length,
    ok: count('ok'),
    errors,
    broken: count('broken'),
    left: count('left'),
    cut: count('cut', 'late'),
    nonsense: count('nonsense'),
    worstMs: calls.reduce((most, { sentMs, endMs, ending }) => (ending === 'left' ? most : Math.max(most, endMs - sentMs)), 0),
  };
}

/** From the end of a fault until calls were well again: when the last that went wrong was sent. 0: none was. */
export function recoveryMs(calls: readonly CallSeen[], healedMs: number): number {
  const wrong = calls.filter(({ ending, sentMs }) => sentMs >= healedMs && ending !== 'ok' && ending !== 'left');
  return wrong.reduce((latest, { sentMs }) => Math.max(latest, sentMs - healedMs), 0);
}
