import type { CallRecord } from '../../load/calls/call-record.ts';
import { shown, shownSpan } from '../../report/numbers.ts';
import type { PlannedSlot } from '../design/blocks.ts';
import { isError } from '../figures/slot.ts';

/** What a terminal is shown while a test runs: where it is, and nothing of who is ahead. Who looks at that stops when he likes what he sees. */
export class BlockLine {
  readonly #arms: readonly string[];
  readonly #blocks: number;
  readonly #lengthMs: number;
  #slot: PlannedSlot | null = null;
  #calls = 0;
  #errors = 0;
  #underWay = 0;

  /** `lengthMs`: of all slots together. */
  constructor(arms: readonly string[], blocks: number, lengthMs: number) {
    this.#arms = arms;
    this.#blocks = blocks;
    this.#lengthMs = lengthMs;
  }

  slot(slot: PlannedSlot): void {
    this.#slot = slot;
  }

  note(record: CallRecord, underWay: number): void {
    this.#calls += 1;
    if (isError(record)) this.#errors += 1;
    this.#underWay = underWay;
  }

  /** `elapsedMs`: since the first slot. */
  text(elapsedMs: number): string {
    if (this.#slot === null) return 'the first slot begins';
    const { block, arm } = this.#slot;
    const done = Math.min(1, elapsedMs / this.#lengthMs);
    const left = shownSpan(this.#lengthMs - elapsedMs);
    return `${Math.floor(done * 100)} % · block ${block + 1} of ${this.#blocks} · ${this.#arms[arm]} · ${shown(this.#calls)} calls · ${this.#underWay} under way · ${this.#errors} errors · ${left} left`;
  }
}
