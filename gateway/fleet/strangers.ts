import type { Sighting } from './estimate.ts';

/** So many looks in a row have to show them: what has just changed hands is seen late. */
const LOOKS = 3;
/** Where nobody can look, what a gateway had that has vanished is free after so long. */
const VANISHED_MS = 10_000;

/**
 * Calls at a worker that nobody accounts for: more than all gateways of the store hold there. They come from one that does not reach the
 * store, or has not told it yet after the store has lost what it knew. What somebody had who is not heard of any more counts as in use until
 * looks have shown that it is not.
 */
export class Strangers {
  #excess: number[] = [];
  /** What the others held at the looks before. */
  #held: number[] = [];
  #vanished: { readonly held: number; readonly at: number; looks: number }[] = [];

  /** @param heldByOthers what all other gateways of the store hold there now */
  look({ seen, own }: Sighting, heldByOthers: number): void {
    this.#held = [heldByOthers, ...this.#held.slice(0, LOOKS - 1)];
    this.#excess = [seen - own - Math.max(...this.#held), ...this.#excess.slice(0, LOOKS - 1)];
    for (const each of this.#vanished) each.looks += 1;
  }

  /** A gateway is not heard of any more that held so many. */
  vanished(held: number, at: number): void {
    if (held === 0) return;
    this.#held = this.#held.map((before) => Math.max(0, before - held));
    this.#vanished.push({ held, at, looks: 0 });
  }

  count(now: number): number {
    this.#vanished = this.#vanished.filter(({ looks, at }) => looks < LOOKS && now - at < VANISHED_MS);
    const vanished = this.#vanished.reduce((sum, { held }) => sum + held, 0);
    const seen = this.#excess.length < LOOKS ? 0 : Math.max(0, Math.min(...this.#excess));
    return Math.max(vanished, seen);
  }
}
