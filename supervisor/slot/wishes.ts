import type { Failure } from '../failure/failure.ts';
import { mayPass } from '../machine/judgement.ts';
import type { SlotFacts } from './facts.ts';
import type { SwapMove } from './swap.ts';
import { nextMove } from './swap.ts';
import type { Wish } from './wish.ts';

/** A wish of calls that is not repeated for this long is given up: clients are told to come back within a minute. */
const WISH_LIFE_MS = 60_000;

export interface KeptWish extends Wish {
  /** When it was last repeated. Monotonic milliseconds. */
  readonly heardAtMs: number;
  /** Calls that wait for it. */
  readonly waiting: number;
}

/** Who wants which model, at most one wish each, and which models were given up. */
export interface WishBook {
  readonly wishes: ReadonlyMap<string, KeptWish>;
  /** Why, and until when nobody tries it again for a call. Monotonic milliseconds. */
  readonly givenUp: ReadonlyMap<string, { readonly failure: Failure; readonly untilMs: number }>;
}

export const EMPTY_BOOK: WishBook = { wishes: new Map(), givenUp: new Map() };

/** Calls wait for a model, still or newly; those have `spareMs` before a swap to it must begin. An order for it stays an order. */
export function wish(book: WishBook, model: string, waiting: number, spareMs: number, nowMs: number): WishBook {
  const known = book.wishes.get(model) ?? { model, by: 'calls', sinceMs: nowMs, boundMs: Math.max(0, spareMs) };
  return noted(book, { ...known, heardAtMs: nowMs, waiting });
}

/** An operator wants a model now, whatever was known against it. */
export function order(book: WishBook, model: string, nowMs: number): WishBook {
  const forgiven = { ...book, givenUp: without(book.givenUp, [model]) };
  return noted(forgiven, { model, by: 'operator', sinceMs: nowMs, boundMs: 0, heardAtMs: nowMs, waiting: 0 });
}

export function withdraw(book: WishBook, model: string): WishBook {
  return { ...book, wishes: without(book.wishes, [model]) };
}

/** An operator takes a slot out of service: older orders must not bring its model back, nor any model once no slot is left. */
export function drain(book: WishBook, slot: SlotFacts, others: readonly SlotFacts[]): WishBook {
  const isLast = (model: string) => others.every(({ phase, models }) => phase === 'held' || !models.includes(model));
  const orders = [...book.wishes.values()].filter(
    ({ by, model }) => by === 'operator' && slot.models.includes(model) && (isLast(model) || model === slot.model),
  );
  return {
    ...book,
    wishes: without(
      book.wishes,
      orders.map((kept) => kept.model),
    ),
  };
}

/** A model cannot be loaded: who waits for it is told so. */
export function giveUp(book: WishBook, model: string, failure: Failure, nowMs: number, retryMs: number): WishBook {
  const untilMs = mayPass(failure) ? nowMs + retryMs : Infinity;
  return { wishes: without(book.wishes, [model]), givenUp: new Map([...book.givenUp, [model, { failure, untilMs }]]) };
}

/** Without the wishes that have come true, and those that nobody has repeated for too long. */
export function settle(book: WishBook, slots: readonly SlotFacts[], nowMs: number): WishBook {
  const ready = slots.flatMap(({ phase, model }) => (phase === 'serving' && model !== null ? [model] : []));
  const lapsed = [...book.wishes.values()].filter((kept) => lapsesAtMs(kept) <= nowMs).map(({ model }) => model);
  return { wishes: without(book.wishes, [...ready, ...lapsed]), givenUp: without(book.givenUp, ready) };
}

export function isGivenUp({ givenUp }: WishBook, model: string, nowMs: number): boolean {
  return nowMs < (givenUp.get(model)?.untilMs ?? -Infinity);
}

/** The one thing to do next. `lookAtMs`: when to decide again though nothing has happened; null: never. */
export function decide(book: WishBook, slots: readonly SlotFacts[], nowMs: number): SwapMove {
  const wishes = [...book.wishes.values()];
  // What was given up itself is nothing to go back to.
  const known = slots.map((slot) => (slot.fallback !== null && isGivenUp(book, slot.fallback, nowMs) ? { ...slot, fallback: null } : slot));
  const move = nextMove(known, wishes, nowMs);
  if (move.kind !== 'keep') return move;
  const atMs = Math.min(move.lookAtMs ?? Infinity, ...wishes.map(lapsesAtMs));
  return { kind: 'keep', lookAtMs: atMs === Infinity ? null : atMs };
}

function lapsesAtMs({ by, heardAtMs }: KeptWish): number {
  return by === 'calls' ? heardAtMs + WISH_LIFE_MS : Infinity;
}

function noted(book: WishBook, kept: KeptWish): WishBook {
  return { ...book, wishes: new Map([...book.wishes, [kept.model, kept]]) };
}

function without<T>(map: ReadonlyMap<string, T>, keys: readonly string[]): ReadonlyMap<string, T> {
  return keys.some((key) => map.has(key)) ? new Map([...map].filter(([key]) => !keys.includes(key))) : map;
}
