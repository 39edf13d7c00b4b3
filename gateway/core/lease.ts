/** Something taken that is given back exactly once, however often `release` is called. */
export class Lease {
  #giveBack: (() => void) | undefined;

  constructor(giveBack: () => void) {
    this.#giveBack = giveBack;
  }

  get released(): boolean {
    return this.#giveBack === undefined;
  }

  release(): void {
    const giveBack = this.#giveBack;
    if (!giveBack) return;
    this.#giveBack = undefined;
    giveBack();
  }
}
