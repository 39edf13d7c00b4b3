import type { Place, Side } from './side.ts';

/** What may be said of a custom_id; each has one of these. */
export const VERDICTS = ['same', 'different', 'failed_a', 'failed_b', 'failed_both', 'only_a', 'only_b'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Both have it, and not both as good: answers that differ, or one of them failed. */
export interface Disagreement {
  readonly customId: string;
  readonly verdict: Extract<Verdict, 'different' | 'failed_a' | 'failed_b'>;
  readonly a: Place;
  readonly b: Place;
}

export interface Joined {
  /** How many custom_ids of either side; their sum is that of all. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** In the order of the first side. */
  readonly disagreements: readonly Disagreement[];
}

/** Lays two sides beside each other by custom_id, in whatever order their lines came. */
export function join({ lines: ofA }: Pick<Side, 'lines'>, { lines: ofB }: Pick<Side, 'lines'>): Joined {
  const counts: Record<Verdict, number> = { same: 0, different: 0, failed_a: 0, failed_b: 0, failed_both: 0, only_a: 0, only_b: 0 };
  const disagreements: Disagreement[] = [];
  for (const [customId, a] of ofA) {
    const b = ofB.get(customId);
    const verdict = b === undefined ? 'only_a' : verdictOf(a, b);
    counts[verdict]++;
    if (b !== undefined && (verdict === 'different' || verdict === 'failed_a' || verdict === 'failed_b')) {
      disagreements.push({ customId, verdict, a, b });
    }
  }
  for (const customId of ofB.keys()) if (!ofA.has(customId)) counts.only_b++;
  return { counts, disagreements };
}

function verdictOf(a: Place, b: Place): Exclude<Verdict, 'only_a' | 'only_b'> {
  if (a.isFailed) return b.isFailed ? 'failed_both' : 'failed_a';
  if (b.isFailed) return 'failed_b';
  return a.digest === b.digest ? 'same' : 'different';
}
