import { createHash } from 'node:crypto';
import type { Answer, PlacesStore, Saying } from '../fleet/terms.ts';
import type { SharedLimits } from './open-shared-limits.ts';
import { PLACES } from './places-script.ts';
import type { StoreLink } from './store-link.ts';

/** A gateway that is not heard of for so long is gone. Many rounds fit into it. */
const LEASE_MS = 5_000;
/** For so long nobody gets what it held: the others see by then what is still there of it. */
const REST_MS = 3_000;
/** Workers of one command: no step holds the server up. */
const MOST_WORKERS = 50;
const DIGEST_CHARS = 32;

/** Places of workers in the store in which limits are shared, over the same connection. */
export class SharedPlaces implements PlacesStore {
  readonly #link: Pick<StoreLink, 'isUp' | 'run'>;
  readonly #prefix: string;
  readonly #id: string;

  /** @param id of this gateway, among all */
  constructor({ link }: Pick<SharedLimits, 'link'>, prefix: string, id: string) {
    this.#link = link;
    this.#prefix = prefix;
    this.#id = id;
  }

  get isUp(): boolean {
    return this.#link.isUp;
  }

  async settle(sayings: readonly Saying[]): Promise<readonly Answer[] | null> {
    const sent: Promise<readonly Answer[] | null>[] = [];
    for (let at = 0; at < sayings.length; at += MOST_WORKERS) {
      const some = sayings.slice(at, at + MOST_WORKERS);
      const words = some.flatMap(({ total, first, rest, held, ask }) => [total, first, rest, held, ask]);
      sent.push(this.#link.run(PLACES, this.#keys(some.map(({ worker }) => worker)), [this.#id, LEASE_MS, REST_MS, ...words]));
    }
    const answers: Answer[] = [];
    for (const some of await Promise.all(sent)) {
      if (some === null) return null;
      answers.push(...some);
    }
    return answers.length === sayings.length ? answers : null;
  }

  async leave(workers: readonly string[]): Promise<void> {
    for (let at = 0; at < workers.length; at += MOST_WORKERS) {
      if ((await this.#link.run(PLACES, this.#keys(workers.slice(at, at + MOST_WORKERS)), [this.#id, 0, REST_MS])) === null) return;
    }
  }

  /** Of one hash slot, whatever the names hold. */
  #keys(workers: readonly string[]): string[] {
    return workers.map((worker) => {
      const digest = createHash('sha256').update(worker).digest('hex').slice(0, DIGEST_CHARS);
      return `${this.#prefix}{places}:${digest}`;
    });
  }
}
