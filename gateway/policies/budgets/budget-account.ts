import type { Window } from './calendar.ts';
import type { Grant, Spend, Want } from './ports.ts';

/** Of what calls took since the last exchange, so many times as much is wanted at hand for those to come. */
const SPARE = 2;

/**
 * One budget of a day or a month, as far as this process has to do with it. What its calls take, it has been granted before: all processes
 * together never take more than there is.
 */
export class BudgetAccount {
  readonly subject: string;
  readonly name: string;
  readonly isAddress: boolean;
  readonly window: Window;
  #amount = 0;
  /** Taken by calls that run. */
  held = 0;
  /** Spent, and told to nobody yet. */
  #unsaid = 0;
  /** Spent, and on its way to the records. */
  #said = 0;
  /** What may be used, of which held and spent is a part as long as nobody has heard of it. */
  #granted = 0;
  /** What all have spent, as was last heard. */
  #spent = 0;
  #need = 0;
  /** What the last question needed, and whether less than that was granted: then there is no more. */
  #asked = 0;
  #isScarce = false;
  #demand = 0;
  /** It has been heard what was spent before. */
  isKnown = false;
  /** Since when (monotonic ms), and from how many tokens on, there is not enough for a call. */
  #scarce: { readonly since: number; tokens: number } | null = null;

  constructor(subject: string, name: string, isAddress: boolean, window: Window) {
    this.subject = subject;
    this.name = name;
    this.isAddress = isAddress;
    this.window = window;
  }

  /** The whole budget, which may be set anew at any time. */
  get amount(): number {
    return this.#amount;
  }

  set amount(amount: number) {
    if (amount !== this.#amount) this.#scarce = null;
    this.#amount = amount;
  }

  /** What all have spent and this process holds, as far as is known. */
  get used(): number {
    return this.#spent + this.#own;
  }

  /** What all have spent, as far as is known. */
  get spent(): number {
    return this.#spent + this.#unsaid + this.#said;
  }

  /** Somebody has to hear of it. */
  get isActive(): boolean {
    return this.#own !== 0 || this.#granted !== 0 || this.#need !== 0 || this.#demand !== 0;
  }

  /** Nothing is on its way. */
  get isAtRest(): boolean {
    return this.held === 0 && this.#said === 0 && this.#need === 0;
  }

  /** Whether so many are granted and free. */
  isFree(tokens: number): boolean {
    return this.#granted - this.#own >= tokens;
  }

  /** The same where nobody can be asked: within a process's share of what was left when last something was heard. */
  isFreeAlone(tokens: number, processes: number): boolean {
    return this.#own + tokens <= Math.floor(Math.max(0, this.amount - this.#spent) / processes);
  }

  /** A call with as many was refused a moment ago, and nothing has been given back since. */
  wasRefused(tokens: number, now: number, forMs: number): boolean {
    return this.#scarce !== null && now - this.#scarce.since < forMs && tokens >= this.#scarce.tokens;
  }

  refused(tokens: number, now: number): void {
    this.#scarce = { since: now, tokens };
  }

  take(tokens: number): void {
    this.held += tokens;
    this.#demand += tokens;
  }

  /** A call that had taken so many has used so many. */
  settle(tokens: number, used: number): void {
    this.held -= tokens;
    this.#unsaid += used;
    if (used < tokens) this.#scarce = null;
  }

  /** A call waits for so many; negative: it does not any more. */
  await(tokens: number): void {
    this.#need += tokens;
  }

  /** The records have granted less than was needed: asking again brings no more. */
  get isScarce(): boolean {
    return this.#isScarce;
  }

  /** What is to be told now; null: nothing. */
  say(): Spend | null {
    if (this.#unsaid === 0) return null;
    const tokens = this.#unsaid;
    this.#said += tokens;
    this.#unsaid = 0;
    return { subject: this.subject, window: this.window.name, tokens, endsAt: this.window.endsAt };
  }

  /** What is wanted; until that is answered nothing more is taken of what was granted, since it may be granted to another meanwhile. */
  want(): Want {
    const spare = SPARE * this.#demand;
    this.#demand = 0;
    this.#granted = this.#own;
    const held = this.held + this.#unsaid;
    this.#asked = held + this.#need;
    const { name: window, endsAt } = this.window;
    return { subject: this.subject, window, amount: this.amount, held, need: this.#need, spare, known: this.#spent, endsAt };
  }

  told({ granted, spent }: Grant): void {
    this.#granted = granted;
    this.#isScarce = granted < this.#asked;
    this.#spent = spent;
    this.#said = 0;
    this.isKnown = true;
  }

  /** What was spent on this machine; of others nothing is known. What is on its way is part of it, and counts as our own still. */
  toldOfMachine(spent: number): void {
    if (this.isKnown) return;
    this.#spent = Math.max(0, spent - this.#said);
    this.isKnown = true;
  }

  get #own(): number {
    return this.held + this.#unsaid + this.#said;
  }
}
