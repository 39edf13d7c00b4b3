import { type CallRecord, isError } from '../../load/calls/call-record.ts';
import { shown, shownSpan } from '../../report/numbers.ts';
import type { PlannedSlot } from '../design/blocks.ts';

/** What a terminal is shown while a test runs: where it is, and nothing of who is ahead. Who looks at that stops when he likes what he sees. */
export class BlockLine {
  readonly #arms: readonly string[];
  readonly #blocks: number;
  readonly #slotMs: number;
  #slot: PlannedSlot | null = null;
  #slotAtMs = 0;
  #calls = 0;
  #errors = 0;
  #underWay = 0;

  /** `slotMs`: of one slot, with its settling. */
  constructor(arms: readonly string[], blocks: number, slotMs: number) {
    this.#arms = arms;
    this.#blocks = blocks;
    this.#slotMs = slotMs;
  }

  /** It begins. `elapsedMs`: since the first did. */
  slot(slot: PlannedSlot, elapsedMs: number): void {
    this.#slot = slot;
    this.#slotAtMs = elapsedMs;
  }

  note(record: CallRecord, underWay: number): void {
    this.#calls += 1;
    if (isError(record)) this.#errors += 1;
    this.#underWay = underWay;
  }

  /** `elapsedMs`: since the first slot. */
  text(elapsedMs: number): string {
    if (this.#slot === null) return 'the first slot begins';
    const { number, block, arm } = this.#slot;
    const slots = this.#blocks * this.#arms.length;
    const done = (number + Math.min(1, (elapsedMs - this.#slotAtMs) / this.#slotMs)) / slots;
    // Slots have some time between them, which only those that have been can tell.
    const left = shownSpan(number === 0 ? slots * this.#slotMs - elapsedMs : (this.#slotAtMs / number) * slots * (1 - done));
    return `${Math.floor(done * 100)} % · block ${block + 1} of ${this.#blocks} · ${this.#arms[arm]} · ${shown(this.#calls)} calls · ${this.#underWay} under way · ${this.#errors} errors · ${left} left`;
  }
}
