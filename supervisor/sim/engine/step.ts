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

/** What a step computes of one sequence. */
interface Part {
  readonly tokens: number;
  readonly context: number;
  readonly decoding: boolean;
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
  readonly #planned = new Map<Sequence, Part>();

  constructor(budget: number) {
    this.budget = budget;
  }

  add(sequence: Sequence, part: Part): void {
    this.#planned.set(sequence, part);
    this.#book(part, 1);
  }

  /** The sequence is thrown back after all. */
  takeBack(sequence: Sequence): void {
    const part = this.#planned.get(sequence);
    if (part === undefined) return;
    this.#planned.delete(sequence);
    this.#book(part, -1);
    const at = this.sampled.indexOf(sequence);
    if (at >= 0) this.sampled.splice(at, 1);
  }

  #book({ tokens, context, decoding }: Part, sign: 1 | -1): void {
    this.budget -= sign * tokens;
    this.contextTokens += sign * context;
    if (decoding) this.decodeTokens += sign * tokens;
    else this.prefillTokens += sign * tokens;
  }
}
