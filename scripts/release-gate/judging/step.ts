import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import { shown } from '../../report/numbers.ts';
import { percent } from './steady.ts';
import { undecided, verdict, type Verdict } from './verdict.ts';

/** Goodput at each share of capacity, in calls a second. */
export interface StepFigure {
  readonly share: number;
  readonly goodput: number;
}

const AT_CAPACITY = 1;
const BEYOND = 1.5;
/** Where so much more than at 100 % was served well, 100 % was not all there is. */
const MORE = 1.35;

/** A server that is asked for more than it can do must go on doing what it can. */
export function collapseVerdict(steps: readonly StepFigure[], { step }: ReleaseCriteria): Verdict {
  const criterion = 'no collapse beyond capacity';
  const of = (share: number): number | undefined => steps.find((each) => each.share === share)?.goodput;
  const [full, beyond] = [of(AT_CAPACITY), of(BEYOND)];
  if (full === undefined || beyond === undefined) return undecided(criterion, 'The steps at 100 % and 150 % did not run to their end.');
  if (full === 0) return verdict(criterion, false, 'No call kept to the limits at 100 % of capacity.');
  const kept = beyond / full;
  if (kept > MORE)
    return undecided(
      criterion,
      `${shown(beyond)} good calls a second at 150 %, ${shown(full)} at 100 %: capacity is higher than was taken for it, so nothing was asked beyond it.`,
    );
  const said = `${shown(beyond)} good calls a second at 150 % of capacity, ${shown(full)} at 100 %: ${percent(kept)} of it (${percent(step.goodput_kept)} asked for).`;
  return verdict(criterion, kept >= step.goodput_kept, said);
}
