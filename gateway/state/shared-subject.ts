import { createHash } from 'node:crypto';
import type { Limited } from '../policies/limits/limiter.ts';
import type { Told } from './limit-script.ts';
import { RefusedLately } from './refused-lately.ts';

const DIGEST_CHARS = 32;

/** A call that comes: the words of the script about it, and who waits for what comes of it (null: the store does not say). */
export interface Comer {
  readonly words: readonly (string | number)[];
  readonly onTold: (told: Told | null) => void;
}

/** What this gateway remembers of a key or an address whose limits are counted in the store. */
export class SharedSubject {
  /** Of one hash slot, whatever the name holds. */
  readonly keys: readonly [used: string, places: string];
  /** Leases of calls that run here. */
  readonly running = new Set<string>();
  /** Calls that have ended, and the store has not heard of: of each its lease, entry, taken and used tokens. */
  ended: (string | number)[] = [];
  /** Calls of which the store has not said yet whether they run. */
  asking = 0;
  /** Those of this turn of the event loop, of whom it is asked at its end. */
  comers: Comer[] = [];
  readonly refused = new RefusedLately();
  limited: Limited;
  /** What the store said last, and when. */
  told: { readonly used: Told; readonly at: number } | null = null;

  constructor(prefix: string, limited: Limited) {
    const tag = createHash('sha256').update(limited.subject).digest('hex').slice(0, DIGEST_CHARS);
    this.keys = [`${prefix}{${tag}}:used`, `${prefix}{${tag}}:places`];
    this.limited = limited;
  }

  get isIdle(): boolean {
    return this.asking === 0 && this.running.size === 0 && this.ended.length === 0;
  }
}

/** Those that are remembered, the one used longest ago first; more than `most` only where they are all in use. */
export class SharedSubjects {
  readonly #all = new Map<string, SharedSubject>();
  readonly #prefix: string;
  readonly #most: number;

  constructor(prefix: string, most: number) {
    this.#prefix = prefix;
    this.#most = most;
  }

  of(limited: Limited): SharedSubject {
    const { subject: name } = limited;
    const known = this.#all.get(name);
    const subject = known ?? new SharedSubject(this.#prefix, limited);
    subject.limited = limited;
    if (known !== undefined && this.#all.size < this.#most) return known;
    this.#all.delete(name);
    if (known === undefined) this.#makeRoom();
    this.#all.set(name, subject);
    return subject;
  }

  values(): Iterable<SharedSubject> {
    return this.#all.values();
  }

  #makeRoom(): void {
    if (this.#all.size < this.#most) return;
    for (const [name, subject] of this.#all) {
      if (!subject.isIdle) continue;
      this.#all.delete(name);
      return;
    }
  }
}
