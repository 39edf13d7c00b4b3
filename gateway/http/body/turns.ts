/**
 * Gives large bodies a turn of the event loop each: parsing one holds the only thread for a while, and what else has come meanwhile (a
 * probe, a chunk of a stream) is not to wait for all that arrived together with it.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves at the beginning of the turn. Whoever asked first has his first. */
  next(): Promise<void> {
    this.#last = this.#last.then(() => new Promise((resolve) => void setImmediate(resolve)));
    return this.#last;
  }
}
