import type { Sighting } from './estimate.ts';

/** So many looks in a row have to show them: what has just changed hands is seen late. */
const LOOKS = 3;

/**
 * Calls at a worker that nobody accounts for: more than all gateways of the store hold there. They come from one that does not reach the
 * store, or has not told it yet after the store has lost what it knew.
 */
export class Strangers {
  #excess: number[] = [];
  /** What the others held at the looks before. */
  #held: number[] = [];

  /** @param heldByOthers what all other gateways of the store hold there now */
  look({ seen, own }: Sighting, heldByOthers: number): void {
    this.#held = [heldByOthers, ...this.#held.slice(0, LOOKS - 1)];
    this.#excess = [seen - own - Math.max(...this.#held), ...this.#excess.slice(0, LOOKS - 1)];
  }

  /** A gateway is not heard of any more that held so many: what is still there of it is a stranger's. */
  lost(held: number): void {
    this.#held = this.#held.map((before) => Math.max(0, before - held));
  }

  get count(): number {
    return this.#excess.length < LOOKS ? 0 : Math.max(0, Math.min(...this.#excess));
  }
}
