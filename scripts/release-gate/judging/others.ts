import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import type { CallRecord } from '../../load/calls/call-record.ts';
import type { Summary } from '../../load/figures/summary.ts';
import { shown, shownMs } from '../../report/numbers.ts';
import { undecided, verdict, type Verdict } from './verdict.ts';

/** Streams while workers were taken out of service and back, one after the other. `turned`: how many workers were. */
export function drainVerdicts(records: readonly CallRecord[], turned: number, of: number, { drain }: ReleaseCriteria): Verdict[] {
  const broken = records.filter(({ outcome }) => outcome === 'broken').length;
  const failed = records.filter(({ outcome }) => outcome === 'failed' || outcome === 'timeout').length;
  return [
    verdict('every worker in turn', turned === of, `${turned} of ${of} workers were drained and came back.`),
    verdict(
      'no broken stream',
      broken <= drain.broken_streams,
      `${shown(broken)} of ${shown(records.length)} streams broke (${drain.broken_streams} allowed).`,
    ),
    verdict('no failed call', failed === 0, `${shown(failed)} of ${shown(records.length)} calls failed before their first token.`),
  ];
}

/** `settledMs`: after the last call, until no worker had one in flight; null: it was not seen. `left`: how many there were then. */
export function cancelVerdicts(summary: Summary, settledMs: number | null, left: number, { cancel }: ReleaseCriteria): Verdict[] {
  const { cancelled = 0 } = summary.outcomes;
  const asked = `${shownMs(cancel.settled_ms)} allowed`;
  const settled =
    settledMs === null
      ? verdict('settled', false, `${left} calls were still in flight at the workers when nobody looked any more (${asked}).`)
      : verdict(
          'settled',
          settledMs <= cancel.settled_ms,
          `No worker had a call in flight ${shownMs(settledMs)} after the last (${asked}).`,
        );
  if (cancelled === 0) return [undecided('cancelled', 'Not one client left in the middle: answers are too short.'), settled];
  const said = `${shown(cancelled)} of ${shown(summary.calls)} clients left in the middle, and ${shown(summary.errors)} of the others’ calls failed.`;
  return [settled, verdict('nobody else harmed', summary.errors === 0, said)];
}

/** One client alone, and beside another that floods. */
export function fairVerdicts(alone: Summary, beside: Summary, { fair, limits }: ReleaseCriteria): Verdict[] {
  if (alone.ttft.count === 0) return [undecided('latency beside a flood', 'Not one call was answered while nobody else asked.')];
  const most = Math.max(alone.ttft.p95 * fair.latency_ratio, limits.p95_ttft_ms ?? 0);
  const said = `p95 TTFT was ${shownMs(alone.ttft.p95)} alone and ${shownMs(beside.ttft.p95)} beside a flood (at most ${shownMs(most)} asked for).`;
  return [
    verdict('latency beside a flood', beside.ttft.p95 <= most, said),
    verdict(
      'errors beside a flood',
      beside.errors / Math.max(1, beside.calls) <= limits.error_rate,
      `${shown(beside.errors)} of ${shown(beside.calls)} calls failed.`,
    ),
  ];
}
