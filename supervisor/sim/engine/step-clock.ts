import { clearTimeout, setImmediate as soon, setTimeout as later } from 'node:timers';

/** A late step is made up for by quicker ones, but not more than this. */
const MAX_LAG_MS = 50;

/** Says when steps end. Each follows on the due time of the one before; while the clock is hung, none ends. */
export class StepClock {
  /** Share of MAX_LAG_MS that counts where time runs faster. */
  readonly #lagMs: number;
  /** Monotonic ms at which the current step is over. */
  #due = 0;
  #timer: NodeJS.Timeout | null = null;
  #hung = false;
  /** The end that is held back while the clock is hung. */
  #held: (() => void) | null = null;

  /** `speed`: factor on every duration. */
  constructor(speed: number) {
    this.#lagMs = MAX_LAG_MS * Math.min(1, speed);
  }

  /** After a pause the time starts anew. */
  restart(): void {
    this.#due = performance.now();
  }

  /** Calls `end` when a step that begins now and takes `durationMs` is over. */
  run(durationMs: number, end: () => void): void {
    const now = performance.now();
    this.#due = Math.max(this.#due, now - this.#lagMs) + durationMs;
    const wait = this.#due - now;
    const over = (): void => {
      this.#timer = null;
      if (this.#hung) this.#held = end;
      else end();
    };
    if (wait < 0.5) soon(over);
    else this.#timer = later(over, wait);
  }

  get hung(): boolean {
    return this.#hung;
  }
  set hung(hung: boolean) {
    this.#hung = hung;
    const held = this.#held;
    if (hung || held === null) return;
    this.#held = null;
    held();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
