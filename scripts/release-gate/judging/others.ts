import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import type { CallRecord } from '../../load/calls/call-record.ts';
import type { Summary } from '../../load/figures/summary.ts';
import { shown, shownMs } from '../../report/numbers.ts';
import { undecided, verdict, type Verdict } from './verdict.ts';

/** Workers that were drained and came back, of how many, and what stood in the way. */
interface Turned {
  readonly turned: number;
  readonly of: number;
  readonly trouble: string | null;
}

/** Streams while workers were taken out of service and back, one after the other. */
export function drainVerdicts(records: readonly CallRecord[], { turned, of, trouble }: Turned, { drain }: ReleaseCriteria): Verdict[] {
  const broken = records.filter(({ outcome }) => outcome === 'broken').length;
  const failed = records.filter(({ outcome }) => outcome === 'failed' || outcome === 'timeout').length;
  const why = trouble === null ? '' : ` ${trouble.replace(/\.?$/, '.')}`;
  return [
    verdict('every worker in turn', turned === of, `${turned} of ${of} workers were drained and came back.${why}`),
    verdict(
      'no broken stream',
      broken <= drain.broken_streams,
      `${shown(broken)} of ${shown(records.length)} streams broke (${drain.broken_streams} allowed).`,
    ),
    verdict('no failed call', failed === 0, `${shown(failed)} of ${shown(records.length)} calls failed before their first token.`),
  ];
}

/** What the workers had in flight after the last call of a load, in milliseconds from its end. */
export interface Settling {
  /** When they had nothing any more; null: that was not seen. */
  readonly settledMs: number | null;
  /** When they were last seen to have something, and how many calls. */
  readonly busyMs: number;
  readonly left: number;
}

export function cancelVerdicts(summary: Summary, settling: Settling, criteria: ReleaseCriteria): Verdict[] {
  const { cancelled = 0 } = summary.outcomes;
  const settled = settledVerdict(settling, criteria);
  if (cancelled === 0) return [undecided('cancelled', 'Not one client left in the middle: answers are too short.'), settled];
  const said = `${shown(cancelled)} of ${shown(summary.calls)} clients left in the middle, and ${shown(summary.errors)} of the others’ calls failed.`;
  return [settled, verdict('nobody else harmed', summary.errors === 0, said)];
}

function settledVerdict({ settledMs, busyMs, left }: Settling, { cancel: { settled_ms: most } }: ReleaseCriteria): Verdict {
  const asked = `${shownMs(most)} allowed`;
  if (settledMs !== null)
    return verdict(
      'settled',
      settledMs <= most,
      `No worker had a call in flight ${settledMs < 1 ? 'right' : shownMs(settledMs)} after the last (${asked}).`,
    );
  if (busyMs > most)
    return verdict('settled', false, `${left} calls were still in flight at the workers ${shownMs(busyMs)} after the last (${asked}).`);
  return undecided('settled', `/stats did not tell which calls the workers had after the last (${asked}).`);
}

/** One client alone, and beside another that floods: what became of the flood is told by `flood`. */
export function fairVerdicts(alone: Summary, beside: Summary, flood: Summary, { fair, limits }: ReleaseCriteria): Verdict[] {
  if (alone.ttft.count === 0) return [undecided('latency beside a flood', 'Not one call was answered while nobody else asked.')];
  // Those that were under way when it was ended had been taken too.
  const { ok = 0, unfinished = 0 } = flood.outcomes;
  if (ok + unfinished === 0) {
    const kind = flood.errorKinds[0]?.[0];
    return [
      undecided(
        'latency beside a flood',
        `There was no flood: not one of its ${shown(flood.calls)} calls was taken${kind ? ` (${kind})` : ''}.`,
      ),
    ];
  }
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
