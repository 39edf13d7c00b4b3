import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { WholeAnswer } from '../policies/reuse/flight.ts';
import type { Claim, ClaimedShelf, Kept, Shelf } from '../policies/reuse/shelf.ts';
import { CLAIM, DROP, FULL, HOLD, KEEP, READ } from './answer-scripts.ts';
import { answerText, claimText, readAnswerText } from './answer-text.ts';
import type { StoreLink } from './store-link.ts';

/** Who is not heard of for so long is not at it any more. */
const CLAIM_MS = 15_000;

export interface SharedShelfOptions<About> {
  readonly clock: Clock;
  readonly link: Pick<StoreLink, 'isUp' | 'run'>;
  readonly prefix: string;
  readonly ttlMs: () => number;
  /** Of this gateway. */
  readonly owner: string;
  /** What of it means something to others. */
  readonly portable: (about: About) => About;
  /** What another one wrote; null: that is nothing of the kind. */
  readonly readAbout: (about: unknown) => About | null;
  /** The store could not be asked. */
  readonly onMissed: () => void;
  /** Whether there was room for what was to be kept. */
  readonly onRoom: (isFull: boolean) => void;
}

/** Answers that several gateways share. Where the store is away there are none, and nothing is kept. */
export class SharedShelf<About extends object> implements Shelf<About>, ClaimedShelf<About> {
  readonly entries = 0;
  readonly bytes = 0;
  readonly #options: SharedShelfOptions<About>;

  constructor(options: SharedShelfOptions<About>) {
    this.#options = options;
  }

  async get(key: string): Promise<Kept<About> | null> {
    const text = await this.#run(READ, key, []);
    return text === null || text === '' ? null : this.#keptIn(text);
  }

  put(key: string, answer: WholeAnswer, about: About): void {
    const { portable, ttlMs, clock } = this.#options;
    const kept = this.#run(KEEP, key, [answerText(answer, portable(about), clock.wall()), ttlMs()]);
    void kept.then((isKept) => isKept !== null && this.#onRoom(!isKept));
  }

  drop(key: string): void {
    void this.#run(DROP, key, []);
  }

  async claim(key: string, about: About): Promise<Claim<About>> {
    const text = await this.#run(CLAIM, key, [this.#ownClaim(about), CLAIM_MS]);
    if (text === FULL) this.#onRoom(true);
    // Where nobody can say, this gateway at least does it once.
    if (text === null || text === '' || text === FULL) return { kind: 'ours' };
    const kept = this.#keptIn(text);
    if (kept !== null) return { kind: 'done', kept };
    const read = readAnswerText(text);
    const claimed = read?.kind === 'claim' ? this.#options.readAbout(read.about) : null;
    return claimed === null ? { kind: 'ours' } : { kind: 'busy', about: claimed };
  }

  renew(key: string, about: About): void {
    void this.#run(HOLD, key, [this.#ownClaim(about), CLAIM_MS]);
  }

  release(key: string, about: About): void {
    void this.#run(HOLD, key, [this.#ownClaim(about), 0]);
  }

  #onRoom(isFull: boolean): void {
    if (isFull) this.#options.onMissed();
    this.#options.onRoom(isFull);
  }

  #ownClaim(about: About): string {
    return claimText(about, this.#options.owner);
  }

  #keptIn(text: string): Kept<About> | null {
    const read = readAnswerText(text);
    if (read?.kind !== 'answer') return null;
    const about = this.#options.readAbout(read.about);
    // Clocks of two machines differ by a little.
    return about === null ? null : { answer: read.answer, about, ageMs: Math.max(0, this.#options.clock.wall() - read.at) };
  }

  async #run<T>(
    script: Parameters<StoreLink['run']>[0] & { read(reply: unknown): T | undefined },
    key: string,
    args: readonly (string | number)[],
  ): Promise<T | null> {
    const { link, prefix, onMissed } = this.#options;
    const name = `${prefix}answer:${createHash('sha256').update(key).digest('base64url')}`;
    const reply = link.isUp ? await link.run(script, [name], args) : null;
    if (reply === null) onMissed();
    return reply as T | null;
  }
}
