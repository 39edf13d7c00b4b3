import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import type { CallRecord } from '../../load/calls/call-record.ts';
import { distributionOf } from '../../load/figures/distribution.ts';
import { ttftOf } from '../../load/figures/times.ts';
import { shown, shownMs } from '../../report/numbers.ts';
import { undecided, verdict, type Verdict } from './verdict.ts';

/** When the spike began and ended, in milliseconds of the run. */
export interface SpikeTimes {
  readonly fromMs: number;
  readonly toMs: number;
}

/** p95 of fewer says more of one call than of the server. */
const WINDOW_CALLS = 20;
/** What a busy machine adds by itself. Milliseconds. */
const NOISE_MS = 10;

export function spikeVerdicts(records: readonly CallRecord[], { fromMs, toMs }: SpikeTimes, { spike }: ReleaseCriteria): Verdict[] {
  const before = distributionOf(records.filter(({ scheduledMs, outcome }) => outcome === 'ok' && scheduledMs < fromMs).map(ttftOf));
  return [recovery(records, toMs, before, spike), quickRefusals(records, spike), plainRefusals(records)];
}

/**
 * How long after a moment calls were as quick as `mostMs` again, in milliseconds: the first call from which on 95 of 100 were, it and the
 * next that make up a window. A call that was not answered was not quick. null: they never were.
 */
export function recoveredAfterMs(records: readonly CallRecord[], fromMs: number, mostMs: number): number | null {
  const after = records.filter(({ scheduledMs }) => scheduledMs >= fromMs).toSorted((a, b) => a.scheduledMs - b.scheduledMs);
  const isSlow = after.map((record) => (record.outcome === 'ok' && ttftOf(record) <= mostMs ? 0 : 1));
  const most = Math.floor(0.05 * WINDOW_CALLS);
  for (let i = 0; i + WINDOW_CALLS <= after.length; i++) {
    const slow = isSlow.slice(i, i + WINDOW_CALLS).reduce((sum: number, each) => sum + each, 0);
    // From a quick one on: what is slow at the beginning of the window belongs to what was before it.
    if (slow <= most && isSlow[i] === 0) return after[i]!.scheduledMs - fromMs;
  }
  return null;
}

function recovery(
  records: readonly CallRecord[],
  toMs: number,
  before: ReturnType<typeof distributionOf>,
  spike: ReleaseCriteria['spike'],
): Verdict {
  const criterion = 'recovery';
  if (before.count < WINDOW_CALLS)
    return undecided(criterion, `Only ${before.count} calls were answered before the spike: too few to compare with.`);
  const most = before.p95 * spike.ttft_ratio + NOISE_MS;
  const after = recoveredAfterMs(records, toMs, most);
  const asked = `p95 TTFT was ${shownMs(before.p95)} before; within ${shownMs(spike.recovery_ms)} it is to be at most ${shownMs(most)}`;
  if (after === null) return verdict(criterion, false, `It did not recover while it was looked at: ${asked}.`);
  return verdict(criterion, after < spike.recovery_ms, `It had recovered ${shownMs(after)} after the spike: ${asked}.`);
}

function quickRefusals(records: readonly CallRecord[], { refusal_ms: most }: ReleaseCriteria['spike']): Verdict {
  const refused = distributionOf(records.filter(({ outcome }) => outcome === 'refused').map(({ endMs, sentMs }) => endMs - sentMs));
  if (refused.count === 0) return verdict('quick refusals', true, 'Nothing was refused.');
  const said = `${shown(refused.count)} calls were refused with 503 or 429, 95 of 100 within ${shownMs(refused.p95)} (${shownMs(most)} allowed).`;
  return verdict('quick refusals', refused.p95 <= most, said);
}

function plainRefusals(records: readonly CallRecord[]): Verdict {
  const bad = records.filter(({ outcome }) => outcome === 'failed' || outcome === 'broken' || outcome === 'timeout');
  const kinds = [
    ...new Set(bad.map(({ outcome, status, code }) => [outcome, status || null, code].filter((part) => part !== null).join(' '))),
  ];
  const said =
    bad.length === 0
      ? 'Every call was answered whole or refused plainly.'
      : `${shown(bad.length)} calls ended otherwise: ${kinds.slice(0, 3).join(', ')}.`;
  return verdict('nothing but 503 and 429', bad.length === 0, said);
}
