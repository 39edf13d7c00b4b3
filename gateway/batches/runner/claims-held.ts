import type { Claim } from '../../state/store/batch-terms.ts';
import type { BatchWork } from './batch-work.ts';
import type { OwnerRests } from './owner-rests.ts';
import type { RunnerParts } from './runner-parts.ts';

const HOLD_MS = 5_000;
/** A claim may have been made of which nobody here has heard: then all are given back, when there are none, or after so long. */
const UNSURE_MS = 60_000;
/** Nobody else would have begun with it before. */
const SOON_MS = 500;

/** What this process has claimed: says that it lives, and gives back. */
export class ClaimsHeld {
  readonly #parts: Pick<RunnerParts, 'clock' | 'records' | 'holder'>;
  #unreleased: Claim[] = [];
  #heldAt = -Infinity;
  #unsureSince: number | null = null;

  constructor(parts: Pick<RunnerParts, 'clock' | 'records' | 'holder'>) {
    this.#parts = parts;
  }

  /** It may have claimed something. */
  get isHolder(): boolean {
    return this.#heldAt !== -Infinity;
  }

  unwanted(claims: readonly Claim[]): void {
    this.#unreleased.push(...claims);
  }

  /** What cannot run here, since its owner has to wait, is for others: their share of his limits may not be used up. */
  giveBack(works: readonly BatchWork[], rests: Pick<OwnerRests, 'of'>): void {
    const soon = this.#parts.clock.now() + SOON_MS;
    for (const work of works) {
      const rest = rests.of(work.owner);
      if (rest === null || rest.untilMs < soon) continue;
      const claims = work.idleClaims();
      work.lose(claims.map(({ slice }) => slice));
      this.unwanted(claims);
    }
  }

  /** Nobody knows whether the store has given it something. */
  unsure(): void {
    this.#unsureSince ??= this.#parts.clock.now();
  }

  /** Says that it lives, where it is time. @throws StoreFailed */
  async hold(works: readonly BatchWork[]): Promise<void> {
    const { clock, records, holder } = this.#parts;
    if (this.#unsureSince !== null) await this.#letGo(works, this.#unsureSince);
    if (clock.now() - this.#heldAt < HOLD_MS) return;
    await records.holdOn(holder, clock.wall());
    this.#heldAt = clock.now();
  }

  /** @throws StoreFailed */
  async release(): Promise<void> {
    for (const claim of this.#unreleased) {
      await this.#parts.records.releaseSlice(claim, this.#parts.holder.id);
      this.#unreleased = this.#unreleased.filter((other) => other !== claim);
    }
  }

  async #letGo(works: readonly BatchWork[], since: number): Promise<void> {
    const { clock, records, holder } = this.#parts;
    if (works.some((work) => work.claims().length > 0) && clock.now() - since < UNSURE_MS) return;
    for (const work of works) work.lose(work.claims().map(({ slice }) => slice));
    this.#unreleased = [];
    await records.letGo(holder.id);
    this.#unsureSince = null;
    this.#heldAt = -Infinity;
  }
}
