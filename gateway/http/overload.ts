import { repeat, type Clock, type Timer } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';

const LOOK_MS = 100;
/** So late again and again, the event loop has more to do than it can: what runs is slowed down by every call that is let in. */
const LATE_MS = 250;
const IN_TIME_MS = 100;
/** Looks in a row: a single stop (a large body, a collection of garbage) is none. */
const LOOKS = 3;

/** Hears when calls begin to be refused, with how late the loop is, and when that is over, with how many were. */
export interface OverloadListener {
  onBegin(lateMs: number): void;
  onEnd(refused: number): void;
}

/** Refuses new calls while the event loop is late, so that those that run, and probes, are served. */
export class Overload {
  readonly #timer: Timer;
  readonly #listener: OverloadListener;
  #sheds = false;
  #lateLooks = 0;
  #refused = 0;

  constructor(clock: Clock, listener: OverloadListener) {
    this.#listener = listener;
    let dueAt = clock.now() + LOOK_MS;
    this.#timer = repeat(clock, LOOK_MS, () => {
      const now = clock.now();
      this.#look(now - dueAt);
      dueAt = now + LOOK_MS;
    });
  }

  /** @throws queue_full while the loop is late */
  check(): void {
    if (!this.#sheds) return;
    this.#refused++;
    throw new GatewayError('queue_full', 'The gateway has more to do than it can. Retry shortly.', { retryAfterMs: 2_000 });
  }

  close(): void {
    this.#timer.cancel();
  }

  #look(lateMs: number): void {
    this.#lateLooks = lateMs >= LATE_MS ? this.#lateLooks + 1 : 0;
    if (!this.#sheds && this.#lateLooks >= LOOKS) {
      this.#sheds = true;
      this.#refused = 0;
      this.#listener.onBegin(lateMs);
    } else if (this.#sheds && lateMs < IN_TIME_MS) {
      this.#sheds = false;
      this.#listener.onEnd(this.#refused);
    }
  }
}
