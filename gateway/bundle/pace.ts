import type { Clock } from '../core/clock.ts';
import { nextTurn } from '../core/turn/next-turn.ts';

/** Streams wait no longer than this for a bundle that is being made, in ms. */
const SLICE_MS = 4;

/** Lets others have their turn, often enough. */
export class Pace {
  readonly #clock: Clock;
  #since: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Where work goes on for long: waits for the next turn of the event loop once this one has lasted. */
  rest(): Promise<void> | undefined {
    if (this.#clock.now() - this.#since < SLICE_MS) return undefined;
    return nextTurn().then(() => void (this.#since = this.#clock.now()));
  }
}
