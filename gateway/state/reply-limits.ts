import type { Clock, Timer } from '../core/clock.ts';
import { nextTurn } from '../core/turn/next-turn.ts';

/** A reply that is waited for. */
export interface Awaited {
  isOver: boolean;
  /** Its time is over. Called once, unless it is over before. */
  readonly onLate: () => void;
}

interface Entry {
  readonly awaited: Awaited;
  readonly dueAt: number;
}

/**
 * Time limits for replies that come in the order of their questions: one timer for all of them. Where the gateway itself was late the sockets
 * are read once more before anybody is blamed.
 */
export class ReplyLimits {
  readonly #clock: Clock;
  #entries: Entry[] = [];
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(awaited: Awaited, limitMs: number): void {
    this.#entries.push({ awaited, dueAt: this.#clock.now() + limitMs });
    this.#timer ??= this.#clock.after(limitMs, () => void this.#look());
  }

  /** Nobody is waited for any longer. */
  endAll(): void {
    const all = this.#entries;
    this.#entries = [];
    this.#timer?.cancel();
    this.#timer = null;
    for (const { awaited } of all) if (!awaited.isOver) awaited.onLate();
  }

  async #look(): Promise<void> {
    await nextTurn();
    const now = this.#clock.now();
    let late = 0;
    while (late < this.#entries.length && (this.#entries[late]!.awaited.isOver || this.#entries[late]!.dueAt <= now)) late++;
    const due = this.#entries.splice(0, late);
    const [first] = this.#entries;
    this.#timer = first ? this.#clock.after(Math.max(0, first.dueAt - now), () => void this.#look()) : null;
    for (const { awaited } of due) if (!awaited.isOver) awaited.onLate();
  }
}
