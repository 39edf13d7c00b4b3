import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import type { Summary } from '../../load/figures/summary.ts';
import { shown, shownMs } from '../../report/numbers.ts';
import { undecided, verdict, type Verdict } from './verdict.ts';

/** What clients must see at a load that is well within capacity. `at`: which, in words. */
export function steadyVerdicts(summary: Summary, { limits }: ReleaseCriteria, at: string): Verdict[] {
  const { calls, errors, ttft, tpot, e2e, errorKinds } = summary;
  const share = calls === 0 ? 1 : errors / calls;
  const kinds =
    errorKinds.length === 0
      ? ''
      : `: ${errorKinds
          .slice(0, 3)
          .map(([kind, count]) => `${kind} (${count})`)
          .join(', ')}`;
  return [
    verdict(
      `errors ${at}`,
      calls > 0 && share <= limits.error_rate,
      `${shown(errors)} of ${shown(calls)} calls failed (${percent(share)}; ${percent(limits.error_rate)} allowed)${kinds}.`,
    ),
    ...within(`p95 TTFT ${at}`, ttft.p95, limits.p95_ttft_ms),
    ...within(`p95 a token ${at}`, tpot.p95, limits.p95_tpot_ms),
    ...within(`p95 whole answer ${at}`, e2e.p95, limits.p95_e2e_ms),
  ];
}

function within(criterion: string, measured: number, most: number | null): Verdict[] {
  if (most === null) return [];
  if (Number.isNaN(measured)) return [undecided(criterion, `No call told it; at most ${shownMs(most)} is asked for.`)];
  return [verdict(criterion, measured <= most, `${shownMs(measured)}; at most ${shownMs(most)} is asked for.`)];
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
