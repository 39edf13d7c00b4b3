/** Retries that are always allowed, however little traffic there is. */
const FLOOR = 10;

/**
 * Keeps retries from multiplying a load that already fails: every call pays in `ratio`, every retry costs one. The account never holds
 * more than FLOOR beyond what a burst of calls has just paid in.
 */
export class RetryBudget {
  #tokens = FLOOR;

  deposit(ratio: number): void {
    if (this.#tokens < FLOOR * 10) this.#tokens += ratio;
  }

  /** @returns whether a retry may be made; if so it is paid for. */
  withdraw(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
