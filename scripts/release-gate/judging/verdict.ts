/** open: it could not be told, which is no pass. */
export type Outcome = 'passed' | 'failed' | 'open';

/** What came of one criterion, in words. */
export interface Verdict {
  readonly criterion: string;
  readonly outcome: Outcome;
  /** What was measured and what was asked for, as a sentence. */
  readonly said: string;
}

export function verdict(criterion: string, isKept: boolean, said: string): Verdict {
  return { criterion, outcome: isKept ? 'passed' : 'failed', said };
}

export function undecided(criterion: string, said: string): Verdict {
  return { criterion, outcome: 'open', said };
}
