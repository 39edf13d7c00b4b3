import { GatewayError } from '../../core/errors.ts';
import { Lease } from '../../core/lease.ts';
import type { Owner } from '../../state/store/file-terms.ts';

/** How many files may be sent or fetched at the same time: each has a file open, and some hundred kilobytes of memory. */
export interface PlaceLimits {
  readonly all: number;
  readonly each: number;
}

/** Places for what takes long. Nobody has all of them. */
export class Places {
  readonly #limits: PlaceLimits;
  readonly #what: string;
  readonly #byOwner = new Map<Owner, number>();
  #taken = 0;
  readonly #whenIdle = new Set<() => void>();

  /** @param what as in "too many … at once" */
  constructor(what: string, limits: PlaceLimits) {
    this.#what = what;
    this.#limits = limits;
  }

  /** @throws queue_full */
  take(owner: Owner): Lease {
    const his = this.#byOwner.get(owner) ?? 0;
    if (this.#taken >= this.#limits.all || his >= this.#limits.each) {
      throw new GatewayError('queue_full', `Too many ${this.#what} are under way at once. Retry shortly.`, { retryAfterMs: 5_000 });
    }
    this.#taken++;
    this.#byOwner.set(owner, his + 1);
    return new Lease(() => this.#giveBack(owner));
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#taken === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.add(resolve));
  }

  #giveBack(owner: Owner): void {
    const his = this.#byOwner.get(owner)! - 1;
    if (his === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, his);
    if (--this.#taken > 0) return;
    const waiting = [...this.#whenIdle];
    this.#whenIdle.clear();
    for (const resolve of waiting) resolve();
  }
}
