import { nextTurn } from '../../core/turn/next-turn.ts';

/** Turns of the event loop from one body to the next: a new connection is accepted in one, its request read in another, and answered. */
const TURNS_BETWEEN = 3;

/**
 * Gives large bodies a turn of the event loop each: parsing one holds the only thread for a while, and what else has come meanwhile (a
 * probe, a chunk of a stream) is not to wait for all that arrived together with it.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves at the beginning of the turn. Whoever asked first has his first. */
  next(): Promise<void> {
    this.#last = this.#last.then(pause);
    return this.#last;
  }
}

async function pause(): Promise<void> {
  for (let turn = 0; turn < TURNS_BETWEEN; turn++) await nextTurn();
}
