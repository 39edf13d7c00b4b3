import type { Clock, Timer } from '../core/clock.ts';
import { nextTurn } from '../core/turn/next-turn.ts';

/** A reply that is waited for. */
export interface Awaited {
  isOver: boolean;
  /** Its time is over. Called once, unless it has ended before. */
  readonly onLate: () => void;
}

interface Entry {
  readonly awaited: Awaited;
  readonly dueAt: number;
}

/** So many that are over are taken out at once. */
const SOME = 256;

/**
 * Time limits for replies that come in the order of their questions: one timer for all of them. Where the gateway itself was late the sockets
 * are read once more before anybody is blamed.
 */
export class ReplyLimits {
  readonly #clock: Clock;
  /** Those before `#first` are over. */
  #entries: (Entry | null)[] = [];
  #first = 0;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(awaited: Awaited, limitMs: number): void {
    this.#entries.push({ awaited, dueAt: this.#clock.now() + limitMs });
    this.#timer ??= this.#clock.after(limitMs, () => void this.#look());
  }

  /** It is waited for no longer. */
  end(awaited: Awaited): void {
    awaited.isOver = true;
    // Nothing is held for longer than it has to: what lives for the length of a limit is a burden to whoever collects garbage.
    while (this.#first < this.#entries.length && this.#entries[this.#first]!.awaited.isOver) this.#entries[this.#first++] = null;
    if (this.#first < SOME && this.#first < this.#entries.length) return;
    this.#entries.splice(0, this.#first);
    this.#first = 0;
  }

  /** Nobody is waited for any longer. */
  endAll(): void {
    const all = this.#entries.slice(this.#first);
    this.#entries = [];
    this.#first = 0;
    this.#timer?.cancel();
    this.#timer = null;
    for (const entry of all) if (!entry!.awaited.isOver) entry!.awaited.onLate();
  }

  async #look(): Promise<void> {
    await nextTurn();
    const now = this.#clock.now();
    const late = this.#entries.slice(this.#first).filter((entry) => !entry!.awaited.isOver && entry!.dueAt <= now);
    this.#timer = null;
    for (const entry of late) if (!entry!.awaited.isOver) entry!.awaited.onLate();
    const next = this.#entries[this.#first];
    if (next) this.#timer ??= this.#clock.after(Math.max(0, next.dueAt - this.#clock.now()), () => void this.#look());
  }
}
