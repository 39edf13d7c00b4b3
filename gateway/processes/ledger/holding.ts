import type { Need, Term } from './terms.ts';

interface Held {
  amount: number;
  most: number | null;
  coming: boolean;
  scarce: boolean;
  /** What was said of it last. */
  said: Want | null;
  /** In which words it was said that there is no such thing here any more; null: there is. */
  goneSince: number | null;
}

/** What a process needs of one thing. */
export interface Want {
  readonly total: number;
  readonly first: number;
  readonly rest: number;
  readonly refuses: boolean;
}

/**
 * What one process has of what all of them share. It uses no more than it has; what it was not told that it has, it has not. Nothing here
 * waits: what is asked for comes with the words of the ledger, or does not.
 */
export class Holding {
  readonly #things = new Map<string, Held>();

  /** How much of it this process has. */
  amount(id: string): number {
    return this.#things.get(id)?.amount ?? 0;
  }

  /** What of it may be taken into use: not what somebody else is to have when it becomes free. */
  usable(id: string): number {
    const held = this.#things.get(id);
    return held === undefined ? 0 : Math.min(held.amount, held.most ?? Infinity);
  }

  /** More of it may come without being asked for again. */
  isComing(id: string): boolean {
    return this.#things.get(id)?.coming ?? false;
  }

  /** Nobody has any left, as far as was told. What nothing was told of is not scarce. */
  isScarce(id: string): boolean {
    return this.#things.get(id)?.scarce ?? false;
  }

  /** Somebody else waits for some of it, or for what becomes free of it. */
  isWanted(id: string): boolean {
    const held = this.#things.get(id);
    return held !== undefined && (held.scarce || (held.most !== null && held.amount > held.most));
  }

  /** @param heard the number of our words that these answer, and all before them */
  told(terms: readonly Term[], heard: number): void {
    for (const { id, add, most, coming, scarce } of terms) {
      const held = this.#of(id);
      held.amount += add;
      held.most = most;
      held.coming = coming;
      held.scarce = scarce;
    }
    for (const [id, { goneSince, amount }] of this.#things) {
      // Nothing that was sent before can still be on its way.
      if (goneSince !== null && goneSince <= heard && amount === 0) this.#things.delete(id);
    }
  }

  /** What is to be given back of it, where `spare` of it is not used now; what is given back is not had any more. */
  giveBack(id: string, spare: number): number {
    const held = this.#of(id);
    if (held.most === null) return 0;
    const given = Math.max(0, Math.min(held.amount - held.most, spare));
    held.amount -= given;
    return given;
  }

  /** What is to be said of it; null where nothing is new. */
  say(id: string, { total, first, rest, refuses }: Want, given: number): Need | null {
    const held = this.#of(id);
    const { said } = held;
    held.goneSince = null;
    if (said !== null && given === 0 && said.total === total && said.first === first && said.rest === rest && said.refuses === refuses)
      return null;
    held.said = { total, first, rest, refuses };
    return { id, total, first, rest, refuses, given };
  }

  /** There are no such things any more but those that are `present`: whatever there is of the others is given back. `words`: these ones' number. */
  forget(present: ReadonlySet<string>, words: number): Need[] {
    const needs: Need[] = [];
    for (const [id, held] of this.#things) {
      if (present.has(id) || (held.goneSince !== null && held.amount === 0)) continue;
      needs.push({ id, total: null, first: 0, rest: 0, refuses: false, given: held.amount });
      held.goneSince = words;
      held.amount = 0;
      held.said = null;
    }
    return needs;
  }

  #of(id: string): Held {
    let held = this.#things.get(id);
    if (!held) this.#things.set(id, (held = { amount: 0, most: null, coming: false, scarce: false, said: null, goneSince: null }));
    return held;
  }
}
