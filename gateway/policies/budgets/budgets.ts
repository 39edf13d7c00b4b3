import type { BudgetLimit } from '../../core/errors.ts';
import type { Budgets } from '../../core/principal.ts';
import { BudgetAccount } from './budget-account.ts';
import { Calendar, type Window } from './calendar.ts';
import type { Grant, Spend, Want } from './ports.ts';

/** Whose budgets hold for a call. */
export interface Budgeted {
  /** What is counted as one: a key, or an address. */
  readonly subject: string;
  readonly isAddress: boolean;
  /** How messages and metrics call it. */
  readonly name: string;
  readonly budgets: Budgets;
}

/** So many tokens of one budget. */
export interface Part {
  readonly account: BudgetAccount;
  readonly tokens: number;
}

export interface Shortage {
  readonly window: Window;
  readonly amount: number;
  /** Spent and held, as far as is known. */
  readonly used: number;
  /** It is more than the whole budget, or calls that run hold what it would need: some of that comes back. */
  readonly why: 'used up' | 'too large' | 'held';
}

/** A call that waits for more than is at hand. */
export interface BudgetWait {
  readonly parts: readonly Part[];
  /** What it has taken as soon as there was enough; null: there was not yet. */
  taking: (BudgetTaking & { kind: 'taken' }) | null;
}

export type BudgetTaking =
  | { readonly kind: 'taken'; readonly hold: BudgetHold }
  | { readonly kind: 'short'; readonly parts: readonly Part[] }
  | { readonly kind: 'refused'; readonly shortage: Shortage };

/** Budgets of which something is remembered. */
const MOST_ACCOUNTS = 40_000;
const DAY_MS = 86_400_000;
/** How long after its end one is remembered: a clock may step back. */
const REMEMBERED_MS = 2 * DAY_MS;
const TIDY_MS = 60_000;
/** So long a call is refused without asking anew, where one of the same size just was. */
const REFUSED_MS = 500;

/** What a call has taken of its budgets. Settled once. */
export class BudgetHold {
  readonly #parts: readonly Part[];
  #isOver = false;

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  /** The call has ended and has used so many tokens: the rest is given back. */
  settle(used: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { account, tokens } of this.#parts) account.settle(tokens, used);
  }
}

/**
 * The budgets of keys and addresses, as this process has them. It reckons and waits for nothing: who asks the records of all processes, and
 * when, is for others to say.
 */
export class BudgetBooks {
  readonly #calendar = new Calendar();
  /** The one used longest ago first. */
  readonly #accounts = new Map<string, BudgetAccount>();
  readonly #processes: () => number;
  readonly #most: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<BudgetWait>();
  #tidiedAt = -Infinity;

  /** @param processes that have one budget, each of which keeps to its share where they cannot ask each other */
  constructor(processes = () => 1, most = MOST_ACCOUNTS) {
    this.#processes = processes;
    this.#most = most;
  }

  /**
   * Takes so many tokens of day and month, both or none. short: more has to be asked for.
   * @param guessed tokens that it may need @param least how many of them it asks for itself: more than these is a guess, which keeps nobody
   * out for good @param wall wall-clock ms @param now monotonic ms
   */
  take(budgeted: Budgeted, guessed: number, least: number, wall: number, now: number): BudgetTaking {
    const { day, month } = this.#calendar.at(wall);
    const { tokens_per_day: ofDay, tokens_per_month: ofMonth } = budgeted.budgets;
    const parts: Part[] = [];
    // The longer one first: where both are used up it tells when to come back.
    for (const [window, amount] of [
      [month, ofMonth],
      [day, ofDay],
    ] as const) {
      if (amount === null) continue;
      const account = this.#accountOf(budgeted, window, wall);
      account.amount = amount;
      if (amount === 0 || least > amount) return { kind: 'refused', shortage: shortageOf(account, least) };
      const tokens = Math.min(guessed, amount);
      if (account.wasRefused(tokens, now, REFUSED_MS)) return { kind: 'refused', shortage: shortageOf(account, tokens) };
      parts.push({ account, tokens });
    }
    return areFree(parts) ? taken(parts) : { kind: 'short', parts };
  }

  /**
   * Waits for what the records grant, and takes it as it comes: with the next question all that is at hand may be another's. To be left with
   * `leave`, whatever came of it.
   */
  wait(parts: readonly Part[]): BudgetWait {
    const wait: BudgetWait = { parts, taking: null };
    for (const { account, tokens } of parts) account.await(tokens);
    this.#waiting.add(wait);
    return wait;
  }

  leave(wait: BudgetWait): void {
    if (!this.#waiting.delete(wait)) return;
    for (const { account, tokens } of wait.parts) account.await(-tokens);
  }

  /** Whether there is not enough for these because the records had no more, and not because a call has used more meanwhile than it had taken. */
  isScarce(parts: readonly Part[]): boolean {
    return parts.some(({ account, tokens }) => !account.isFree(tokens) && account.isScarce);
  }

  /** Once more, when the records have been asked, or cannot be (`isAlone`). */
  takeAgain(parts: readonly Part[], isAlone: boolean, now: number): Exclude<BudgetTaking, { kind: 'short' }> {
    const shorts = parts.filter(
      ({ account, tokens }) => !account.isFree(tokens) && !(isAlone && account.isFreeAlone(tokens, this.#processes())),
    );
    // With the next question under way nothing is free; what the records had no more of is why.
    const short = (isAlone ? undefined : shorts.find(({ account }) => account.isScarce)) ?? shorts[0];
    if (short === undefined) return taken(parts);
    if (!isAlone) short.account.refused(short.tokens, now);
    return { kind: 'refused', shortage: shortageOf(short.account, short.tokens) };
  }

  /** The same, whether there is enough or not. */
  takeAnyway(parts: readonly Part[]): BudgetTaking & { kind: 'taken' } {
    return taken(parts);
  }

  /** There is nothing to be said to the records. */
  get isQuiet(): boolean {
    for (const account of this.#accounts.values()) if (account.isActive) return false;
    return true;
  }

  spends(): Spend[] {
    return [...this.#accounts.values()].flatMap((account) => account.say() ?? []);
  }

  wants(): Want[] {
    return [...this.#accounts.values()].flatMap((account) => (account.isActive ? [account.want()] : []));
  }

  told(grants: readonly Grant[]): void {
    for (const grant of grants) this.#accounts.get(idOf(grant.subject, grant.window))?.told(grant);
    for (const wait of this.#waiting) {
      if (!areFree(wait.parts)) continue;
      this.leave(wait);
      wait.taking = taken(wait.parts);
    }
  }

  /** What was spent on this machine, where nobody can say what all have spent. */
  toldOfMachine(grants: readonly Grant[]): void {
    for (const { subject, window, spent } of grants) this.#accounts.get(idOf(subject, window))?.toldOfMachine(spent);
  }

  /** How much of its budgets each key has used that is known here, for figures. */
  *used(wall: number): Generator<{ readonly name: string; readonly limit: BudgetLimit; readonly share: number }> {
    const { day, month } = this.#calendar.at(wall);
    for (const { name, isAddress, window, amount, used } of this.#accounts.values()) {
      if (isAddress || used === 0 || (window.name !== day.name && window.name !== month.name)) continue;
      yield { name, limit: window.limit, share: amount === 0 ? 1 : used / amount };
    }
  }

  #accountOf({ subject, name, isAddress }: Budgeted, window: Window, wall: number): BudgetAccount {
    const id = idOf(subject, window.name);
    let account = this.#accounts.get(id);
    if (account === undefined) {
      this.#tidy(wall);
      account = new BudgetAccount(subject, name, isAddress, window);
    } else this.#accounts.delete(id);
    this.#accounts.set(id, account);
    return account;
  }

  /** Forgets those that are over, and where there are too many those that were used longest ago. */
  #tidy(wall: number): void {
    if (Math.abs(wall - this.#tidiedAt) >= TIDY_MS) {
      this.#tidiedAt = wall;
      for (const [id, account] of this.#accounts) {
        if (!account.isActive && wall > account.window.endsAt + REMEMBERED_MS) this.#accounts.delete(id);
      }
    }
    for (const [id, account] of this.#accounts) {
      if (this.#accounts.size < this.#most) return;
      if (account.isAtRest) this.#accounts.delete(id);
    }
  }
}

function taken(parts: readonly Part[]): BudgetTaking & { kind: 'taken' } {
  for (const { account, tokens } of parts) account.take(tokens);
  return { kind: 'taken', hold: new BudgetHold(parts) };
}

function areFree(parts: readonly Part[]): boolean {
  return parts.every(({ account, tokens }) => account.isFree(tokens));
}

function shortageOf({ window, amount, used, spent }: BudgetAccount, tokens: number): Shortage {
  const why = tokens > amount || amount === 0 ? 'too large' : spent + tokens <= amount ? 'held' : 'used up';
  return { window, amount, used, why };
}

function idOf(subject: string, window: string): string {
  return `${window} ${subject}`;
}
