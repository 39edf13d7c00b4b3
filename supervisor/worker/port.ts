import type { PortPool } from '../system/ports.ts';

/** In place of a port, where the pool had none left: it is looked for again with every start. */
export const NO_PORT = 0;

/** The port that one worker listens on, taken from the pool. */
export class WorkerPort {
  readonly #pool: PortPool;
  #number: number;
  #isBad = false;

  constructor(number: number, pool: PortPool) {
    this.#number = number;
    this.#pool = pool;
  }

  get number(): number {
    return this.#number;
  }

  /** To one that its caller has taken. */
  moveTo(number: number): void {
    this.#number = number;
    this.#isBad = false;
  }

  /** The next start is to have another: this one proved to be somebody else's. */
  avoid(): void {
    this.#isBad = true;
  }

  /** Keeps the port unless it is, or has become, somebody else's. false: the pool has no other. */
  async find(): Promise<boolean> {
    if (!this.#isBad && this.#number !== NO_PORT && (await this.#pool.isFree(this.#number))) return true;
    const other = await this.#pool.take();
    // Without another it is looked at again next time: whoever has it may have left by then.
    if (other === null) {
      this.#isBad = false;
      return false;
    }
    this.#pool.release(this.#number);
    this.#number = other;
    this.#isBad = false;
    return true;
  }
}
