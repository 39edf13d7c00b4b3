import { Estimate, type Sighting } from './estimate.ts';
import { type Portion, portionOf } from './portion.ts';
import { Strangers } from './strangers.ts';
import type { Answer, Need, Saying, Standing } from './terms.ts';

const NOTHING_SAID: Portion = { keeps: 0, usable: 0, asks: 0, isComing: false, isScarce: false };
/** A gateway that was seen before so long may still be there. */
const REMEMBERED_MS = 120_000;
/** Within so long the others have told the store again what they have, or can be seen at the worker. */
const VANISHED_MS = 3_000;

interface WorkerPlacesOptions {
  /** Of this gateway. */
  readonly id: string;
  /** What the worker is called by all gateways. */
  readonly worker: string;
}

/**
 * What one gateway may use of the places of one worker: what it holds of them, where the gateways meet in a store, and otherwise what it makes
 * of what the worker says.
 */
export class WorkerPlaces {
  readonly #options: WorkerPlacesOptions;
  readonly #estimate = new Estimate();
  readonly #strangers = new Strangers();
  #need: Need = { total: 0, first: 0, rest: 0, inUse: 0, kept: 0 };
  #held = 0;
  #others: readonly Standing[] = [];
  #heldByGone = 0;
  /** What others had of whom the store knows nothing any more, because it has lost what it knew. */
  #vanished: { readonly held: number; readonly until: number }[] = [];
  #servedAt = 0;
  #portion = NOTHING_SAID;
  /** The store has not answered since it was heard last: others may be at the worker of whom it has not been told again. */
  #wasMissed = false;
  /** Calls of others that the worker was seen to have last. */
  #seenOfOthers = 0;
  /** What was seen of others as the store came back, until they have had time to tell it what they have. */
  #unheard = { seen: 0, until: -Infinity };
  /** The store was there when it was asked last. */
  #isMet = false;
  #lookedAt: number | null = null;
  /** When another gateway was heard of last, and how many there were then. */
  #severalAt = -Infinity;
  #several = 1;
  /** When the store was heard last. */
  #heardAt = -Infinity;

  constructor(options: WorkerPlacesOptions) {
    this.#options = options;
  }

  get worker(): string {
    return this.#options.worker;
  }

  get held(): number {
    return this.#held;
  }

  get need(): Need {
    return this.#need;
  }

  /** Others wait for what becomes free here. */
  get isWanted(): boolean {
    return this.#isMet && (this.#portion.isScarce || this.#portion.usable < this.#held);
  }

  get isComing(): boolean {
    return this.#isMet && this.#portion.isComing;
  }

  get isScarce(): boolean {
    return this.#isMet && this.#portion.isScarce;
  }

  /** How many gateways share it, this one included, as far as was heard lately; null: nobody has said, and there may be another. */
  gateways(now: number): number | null {
    if (this.#isMet) return this.#others.length + 1;
    return now - this.#severalAt < REMEMBERED_MS ? this.#several : null;
  }

  /** The same as it is told to operators: one that was alone when the store was heard last is no other while that does not answer. */
  gatewaysTold(now: number): number | null {
    return this.gateways(now) ?? (now - this.#heardAt < REMEMBERED_MS ? 1 : null);
  }

  needs(need: Need): void {
    // Of a worker that only this gateway has ever had nobody else uses anything.
    const strangers = this.#several > 1 ? this.#strangers.count : 0;
    this.#need = { ...need, total: Math.max(0, need.total - strangers) };
    if (this.#isMet) this.#reckon();
  }

  /** The worker was looked at. @param gateways how many share it, where the store cannot say */
  look(sighting: Sighting, gateways: number): void {
    if (this.#lookedAt === sighting.at) return;
    this.#lookedAt = sighting.at;
    this.#seenOfOthers = Math.max(0, sighting.seen - sighting.own);
    const { inUse, total } = this.#need;
    this.#estimate.look(sighting, inUse, total, gateways);
    this.#strangers.look(sighting, sumOf(this.#others));
  }

  /** What the store is to be told; what it gives back with that is not its own any more. */
  saying(): Saying {
    const { total, first, rest } = this.#need;
    // What runs here it holds, whoever has granted it.
    if (!this.#isMet) this.#held = Math.max(this.#need.kept, Math.min(this.#held, this.#portion.usable));
    this.#reckon();
    this.#held = this.#portion.keeps;
    // Where the store was away, others first have to tell it what they have.
    const ask = this.#wasMissed ? 0 : this.#portion.asks;
    return { worker: this.#options.worker, total, first, rest, held: this.#held, ask };
  }

  heard({ granted, standings }: Answer, now: number): void {
    this.#held += granted;
    this.#heardAt = now;
    const before = this.#others;
    this.#others = standings.filter(({ id, isGone }) => id !== this.#options.id && !isGone);
    const gone = standings.filter(({ isGone }) => isGone);
    for (const { id, held } of before) {
      if (this.#others.some((each) => each.id === id)) continue;
      this.#strangers.lost(held);
      if (!gone.some((each) => each.id === id)) this.#vanished.push({ held, until: now + VANISHED_MS });
    }
    this.#vanished = this.#vanished.filter(({ until }) => until > now);
    if (this.#wasMissed) {
      this.#unheard = { seen: this.#seenOfOthers, until: now + VANISHED_MS };
      // Somebody was there who may not reach the store yet.
      if (this.#seenOfOthers > 0) this.#several = Math.max(this.#several, 2);
    }
    this.#wasMissed = false;
    const unheard = now < this.#unheard.until ? Math.max(0, this.#unheard.seen - sumOf(this.#others)) : 0;
    this.#heldByGone = Math.max(unheard, sumOf([...gone, ...this.#vanished]));
    this.#servedAt = standings.find(({ id }) => id === this.#options.id)?.servedAt ?? 0;
    if (this.#others.length > 0) {
      this.#severalAt = now;
      this.#several = this.#others.length + 1;
    }
    this.#isMet = true;
    this.#reckon();
  }

  /** The store has not answered. */
  missed(): void {
    // What it held is its part until it has looked again: what it made of the worker meanwhile nobody has counted.
    if (this.#isMet) this.#estimate.beginWith(this.#portion.usable);
    this.#isMet = false;
    this.#wasMissed = true;
  }

  /** What whoever spoke for this gateway before had got for it. */
  follow(held: number): void {
    this.#held = held;
  }

  /** Calls that this gateway may have there now. @param gateways how many share it, where the store cannot say */
  most(gateways: number, now: number, intervalMs: number): number {
    if (this.#isMet) return this.#portion.usable;
    return gateways < 2 ? Infinity : this.#estimate.most(this.#need.inUse, this.#need.total, gateways, now, intervalMs);
  }

  #reckon(): void {
    const { id } = this.#options;
    const { total, first, rest, kept } = this.#need;
    const own = { id, total, first, rest, held: this.#held, servedAt: this.#servedAt, isGone: false };
    const all = [...this.#others, own];
    all.sort((a, b) => (a.id < b.id ? -1 : 1));
    const least = Math.min(...all.map((each) => each.total));
    this.#portion = portionOf(id, all, Math.max(0, least - this.#heldByGone), kept);
  }
}

function sumOf(all: readonly { readonly held: number }[]): number {
  return all.reduce((sum, { held }) => sum + held, 0);
}
