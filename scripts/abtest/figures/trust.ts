import { percentile } from '../../load/figures/distribution.ts';
import { latenessOf, lateProblems } from '../../load/figures/lateness.ts';
import { CALLS_OF_A_SLOT } from '../design/prompts.ts';
import { counted, type Slot } from './slot.ts';

/** Whether what was measured may be believed. */
export interface Trust {
  /** Why nothing may be concluded; empty for a valid test. */
  readonly problems: readonly string[];
  /** What a reader should know besides. */
  readonly notes: readonly string[];
}

/** A call of so many may last into the counted part of the next slot; beyond the second share arms are not told apart any more. */
const MOST_CARRIED = 0.02;
const TOO_MANY_CARRIED = 0.25;

export function trustOf(blocks: readonly (readonly Slot[])[], arms: readonly string[], settleMs: number): Trust {
  const slots = blocks.flat();
  const problems: string[] = [];
  if (slots.length === 0) return { problems: ['not one block was finished'], notes: [] };
  for (const [arm, name] of arms.entries()) {
    const own = slots.filter((slot) => slot.arm === arm);
    const calls = own.flatMap(counted);
    if (calls.length === 0) problems.push(`${name}: no call fell into its slots: longer ones (--slot), or more calls (--rate)`);
    else if (calls.every(({ outcome }) => outcome !== 'ok')) problems.push(`${name}: no call was answered`);
    if (own.some(({ records }) => records.length > CALLS_OF_A_SLOT))
      problems.push(`${name}: a slot had more calls than prompts of its own, so that some were sent again: shorter ones (--slot)`);
    problems.push(...lateProblems(latenessOf(calls)).map((problem) => `${name}: ${problem}`));
  }
  const { share, words } = carriedOver(slots, settleMs);
  if (share > TOO_MANY_CARRIED) problems.push(`${words}, and if the server cannot keep up, a lower --rate`);
  return { problems, notes: share > MOST_CARRIED && share <= TOO_MANY_CARRIED ? [words] : [] };
}

/** Calls that were still on their way when the settling of the next slot was over stand beside those of another arm. */
function carriedOver(slots: readonly Slot[], settleMs: number): { readonly share: number; readonly words: string } {
  const over = slots.flatMap((slot) => counted(slot).map(({ endMs }) => endMs - slot.endMs)).toSorted((a, b) => a - b);
  const share = over.filter((ms) => ms > settleMs).length / over.length;
  const enough = Math.ceil(percentile(over, 1 - MOST_CARRIED) / 1000);
  const what = `${Math.round(share * 100)} % of the calls lasted into what was counted of the next slot`;
  return { share, words: `${what}, so arms had part in each other: --settle ${enough}s would keep them apart` };
}
