import type { Sequence } from './sequence.ts';

/** What one step computes. Tokens are sampled when the step ends, for every sequence in `sampled`. */
export interface Step {
  readonly sampled: readonly Sequence[];
  readonly admitted: readonly Sequence[];
  readonly preempted: readonly Sequence[];
  /** Tokens computed for prompts (and for what a preemption threw away). */
  readonly prefillTokens: number;
  readonly decodeTokens: number;
  /** Tokens of context that the step's sequences read. */
  readonly contextTokens: number;
}

/** A step while it is planned. */
export class StepInProgress implements Step {
  readonly sampled: Sequence[] = [];
  readonly admitted: Sequence[] = [];
  readonly preempted: Sequence[] = [];
  prefillTokens = 0;
  decodeTokens = 0;
  contextTokens = 0;
  budget: number;

  constructor(budget: number) {
    this.budget = budget;
  }
}
