import { backOffMs } from '../../core/back-off.ts';
import type { Clock } from '../../core/clock.ts';

/** Of whom a process has no share, or none left for long, that process asks ever more rarely: others may have one. */
const AGAIN = { firstMs: 1_000, longestMs: 15_000 };

/** Somebody's limits are used up. */
export interface Rest {
  /** Monotonic ms before which nothing of his starts here. */
  readonly untilMs: number;
  /** When the limit itself lets something in again, as far as it said. Monotonic ms. */
  readonly saidMs: number;
  /** For people. */
  readonly why: string;
  /** Batches that have been told. */
  readonly told: Set<string>;
}

/** Whose lines have to wait, since their owner has nothing left of a limit. */
export class OwnerRests {
  readonly #clock: Clock;
  readonly #isOneOfSeveral: boolean;
  readonly #rests = new Map<string, Rest & { readonly earlier: number }>();

  /** @param isOneOfSeveral processes, each of which has a share of the limits, which may be none */
  constructor(clock: Clock, isOneOfSeveral: boolean) {
    this.#clock = clock;
    this.#isOneOfSeveral = isOneOfSeveral;
  }

  /** null: he may go on. */
  of(owner: string): Rest | null {
    const rest = this.#rests.get(owner);
    return rest !== undefined && rest.untilMs > this.#clock.now() ? rest : null;
  }

  /** Nothing of his starts for so long. Of what was refused together it counts once how often he was refused in a row. */
  begin(owner: string, afterMs: number, why: string): void {
    const now = this.#clock.now();
    const last = this.#rests.get(owner);
    if (last !== undefined && last.untilMs > now) {
      if (now + afterMs > last.untilMs) this.#rests.set(owner, { ...last, untilMs: now + afterMs, saidMs: now + afterMs, why });
      return;
    }
    const earlier = last === undefined ? 0 : last.earlier + 1;
    const restMs = this.#isOneOfSeveral ? Math.max(afterMs, backOffMs(AGAIN, earlier)) : afterMs;
    this.#rests.set(owner, { untilMs: now + restMs, saidMs: now + afterMs, why, earlier, told: new Set() });
  }

  /** A line of his was let in. */
  ran(owner: string): void {
    const rest = this.#rests.get(owner);
    if (rest !== undefined && rest.earlier > 0) this.#rests.set(owner, { ...rest, earlier: 0 });
  }

  /** Owners without a batch are forgotten. */
  keep(owners: ReadonlySet<string>): void {
    for (const owner of this.#rests.keys()) if (!owners.has(owner) && this.of(owner) === null) this.#rests.delete(owner);
  }
}
