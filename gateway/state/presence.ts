/** Within so long all who were connected have found out that the store has lost what it knew, and have told it anew. */
const RETOLD_MS = 7_000;

/** What a gateway knows of the others that use the store, and of what the store knows. Times are monotonic milliseconds. */
export class Presence {
  #gateways: number | null = null;
  #storeLife = 0;
  #unsureUntil = -Infinity;

  /** How many gateways were there when that was last heard, this one included; null: it never was. */
  get gateways(): number | null {
    return this.#gateways;
  }

  /** Another number after the store may have forgotten what it was told. */
  get storeLife(): number {
    return this.#storeLife;
  }

  /** The store has forgotten us, and maybe everything: others may not have told it yet what they have. */
  isUnsure(now: number): boolean {
    return now < this.#unsureUntil;
  }

  /** @param isConnectionNew what was told over another one may be lost @param isNew the store did not know of us */
  heard(gateways: number, isConnectionNew: boolean, isNew: boolean, now: number): void {
    const before = this.#gateways;
    if (isConnectionNew || isNew) this.#storeLife += 1;
    if (isNew && before !== null && before > 1) this.#unsureUntil = now + RETOLD_MS;
    // They are no fewer because nobody has heard of them yet.
    this.#gateways = this.isUnsure(now) ? Math.max(before ?? 1, gateways) : gateways;
  }
}
