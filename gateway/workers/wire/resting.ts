import type { Clock } from '../../core/clock.ts';

/** What rests: a connection whose answer has ended. */
interface Resting {
  readonly destroyed: boolean;
  destroy(): void;
}

/** How long the connections of a worker that nobody knows yet rest before they are used again. */
const PROBATION_MS = 100;
/** So many rests in which it sent nothing unasked prove a worker. */
const PROOFS = 3;
/** Connections on probation; more are closed instead. */
const MOST_ON_PROBATION = 64;

/**
 * Keeps a connection aside until it is plain that nothing follows its answer. A second answer that is under way as the next request is
 * written would be taken for that one's, and every later answer on the connection would go to the wrong client. So a connection is used
 * again only when the socket has been asked once more after the answer; the first ones to a worker wait longer, because one that answers
 * twice mostly does so always.
 */
export class RestingConnections<C extends Resting> {
  readonly #clock: Clock;
  readonly #onRested: (connection: C) => void;
  /** Rests still to be sat out in full. */
  #unproven: number;
  #onProbation = 0;
  /** Those whose answer ended in this turn of the event loop, and those of the turn before. */
  #latest: C[] = [];
  #earlier: C[] = [];
  #isTurnWatched = false;

  constructor(clock: Clock, onRested: (connection: C) => void, proofs = PROOFS) {
    this.#clock = clock;
    this.#onRested = onRested;
    this.#unproven = proofs;
  }

  /** `isNamed`: the worker says which request each of its answers is to, so that a second one gives itself away. */
  add(connection: C, isNamed: boolean): void {
    if (this.#unproven > 0) return this.#onTrial(connection);
    if (isNamed) return this.#onRested(connection);
    this.#latest.push(connection);
    if (this.#isTurnWatched) return;
    this.#isTurnWatched = true;
    setImmediate(this.#onTurn);
  }

  #onTrial(connection: C): void {
    if (this.#onProbation >= MOST_ON_PROBATION) return connection.destroy();
    this.#onProbation++;
    this.#clock.after(PROBATION_MS, () => {
      this.#onProbation--;
      if (connection.destroyed) return;
      if (this.#unproven > 0) this.#unproven--;
      this.#onRested(connection);
    });
  }

  /** Between two calls of this the sockets have been read. */
  readonly #onTurn = (): void => {
    const rested = this.#earlier;
    this.#earlier = this.#latest;
    this.#latest = [];
    this.#isTurnWatched = this.#earlier.length > 0;
    if (this.#isTurnWatched) setImmediate(this.#onTurn);
    for (const connection of rested) if (!connection.destroyed) this.#onRested(connection);
  };
}
