import { missingOf, sharesOf } from './shares.ts';
import type { Need, Term } from './terms.ts';

interface Account {
  /** null: it knows of no such thing any more, and gives back what it still has of it. */
  total: number | null;
  first: number;
  rest: number;
  refuses: boolean;
  /** Handed out and not come back, as far as is known here: never less than the process has. */
  held: number;
  /** Which of all gifts was its last. */
  servedAt: number;
  /** The number of the words to this process in which that was: until they are heard it cannot have used it. */
  servedIn: number;
  /** What it was last told, apart from additions. */
  told: Omit<Term, 'id' | 'add'>;
}

const NOTHING: Account['told'] = { most: null, coming: false, scarce: false };

/**
 * What all processes of a gateway share, and who has how much of it. At every moment what is handed out is at most what there is: something
 * is given to one process only after another has given it back. Where their words differ on how much there is, the least counts.
 */
export class Ledger {
  readonly #things = new Map<string, Map<number, Account>>();
  readonly #changed = new Set<string>();
  /** Processes that wait for an answer, whatever it is. */
  readonly #asking = new Set<number>();
  /** How often each process has been told anything, and how much of that it has heard. */
  readonly #words = new Map<number, { told: number; heard: number }>();
  #gifts = 0;

  /** A process has spoken, after it had been told something `times` times. */
  heard(process: number, needs: readonly Need[], times: number): void {
    this.#asking.add(process);
    const words = this.#wordsTo(process);
    if (times > words.heard) {
      for (const [id, accounts] of this.#things) if ((accounts.get(process)?.servedIn ?? 0) > words.heard) this.#changed.add(id);
    }
    words.heard = times;
    for (const { id, total, first, rest, refuses, given } of needs) {
      const accounts = this.#things.get(id) ?? new Map<number, Account>();
      this.#things.set(id, accounts);
      this.#changed.add(id);
      const { servedAt = 0, servedIn = 0, told = NOTHING, ...before } = accounts.get(process) ?? { held: 0 };
      const held = Math.max(0, before.held - given);
      if (total === null && held === 0) this.#close(id, accounts, process);
      else accounts.set(process, { total, first, rest, refuses, held, servedAt, servedIn, told });
    }
  }

  /** A process is gone, and uses nothing any more. */
  gone(process: number): void {
    this.#asking.delete(process);
    this.#words.delete(process);
    for (const [id, accounts] of this.#things) {
      if (!accounts.has(process)) continue;
      this.#changed.add(id);
      this.#close(id, accounts, process);
    }
  }

  /** What each process is to be told now: nothing new to one that has just spoken is an answer as well. */
  terms(): Map<number, Term[]> {
    const all = new Map<number, Term[]>();
    for (const process of this.#asking) all.set(process, []);
    this.#asking.clear();
    for (const id of this.#changed) {
      for (const [process, term] of this.#settle(id)) {
        const own = all.get(process);
        if (own) own.push(term);
        else all.set(process, [term]);
      }
    }
    this.#changed.clear();
    for (const process of all.keys()) this.#wordsTo(process).told += 1;
    return all;
  }

  /** What all of them use and wait for of each thing, and what of it is handed out. */
  *sums(): Generator<{ readonly id: string; readonly first: number; readonly rest: number; readonly held: number }> {
    for (const [id, accounts] of this.#things) {
      const all = [...accounts.values()];
      yield {
        id,
        first: sum(all.map(({ first }) => first)),
        rest: sum(all.map(({ rest }) => rest)),
        held: sum(all.map(({ held }) => held)),
      };
    }
  }

  /** What is handed out of a thing, by process. */
  held(id: string): ReadonlyMap<number, number> {
    return new Map([...(this.#things.get(id) ?? [])].map(([process, { held }]) => [process, held]));
  }

  #wordsTo(process: number): { told: number; heard: number } {
    let words = this.#words.get(process);
    if (!words) this.#words.set(process, (words = { told: 0, heard: 0 }));
    return words;
  }

  #close(id: string, accounts: Map<number, Account>, process: number): void {
    accounts.delete(process);
    if (accounts.size > 0) return;
    this.#things.delete(id);
    this.#changed.delete(id);
  }

  *#settle(id: string): Generator<[number, Term]> {
    const accounts = this.#things.get(id);
    if (!accounts) return;
    const handedOut = sum([...accounts.values()].map(({ held }) => held));
    const entries = [...accounts].flatMap(([process, account]) =>
      account.total === null ? [] : [{ process, account, total: account.total }],
    );
    if (entries.length === 0) return;
    const all = entries.map(({ account }) => account);
    const total = Math.min(...entries.map((entry) => entry.total));
    const wanted = all.map((account) => ({ ...account, first: account.first + Number(account.refuses) }));
    const shares = sharesOf(total, wanted);
    let free = total - handedOut;
    const needed = sum(all.map(({ first, rest }) => first + rest));
    // What somebody needs goes before what is only handed out to be at hand.
    const missing = missingOf(wanted, shares);
    const isShort = sum(missing) > Math.max(0, free);
    const adds = all.map(() => 0);
    for (const i of [...all.keys()].toSorted((a, b) => all[a]!.servedAt - all[b]!.servedAt)) {
      adds[i] = Math.max(0, Math.min(missing[i]!, free));
      free -= adds[i]!;
    }
    if (!isShort) {
      all.forEach(({ held }, i) => {
        const add = Math.max(0, Math.min(shares[i]! - held - adds[i]!, free));
        free -= add;
        adds[i]! += add;
      });
    }
    for (const [i, { process, account }] of entries.entries()) {
      account.held += adds[i]!;
      const words = this.#wordsTo(process);
      if (adds[i]! > 0) {
        account.servedAt = ++this.#gifts;
        account.servedIn = words.told + 1;
      }
      // What it has only just been given it may use once.
      const owes = (isShort || free < 0) && account.held > shares[i]! && account.servedIn <= words.heard;
      const told: Account['told'] = {
        most: owes ? shares[i]! : null,
        coming: isShort && missing[i]! > adds[i]!,
        scarce: needed >= total,
      };
      if (adds[i] === 0 && isSame(told, account.told)) continue;
      account.told = told;
      yield [process, { id, add: adds[i]!, ...told }];
    }
  }
}

function isSame(a: Account['told'], b: Account['told']): boolean {
  return a.most === b.most && a.coming === b.coming && a.scarce === b.scarce;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
