import type { ModelLoad } from '../../gateway/link/snapshot.ts';
import type { SlotFacts } from './facts.ts';
import type { SwapCosts } from './forecast.ts';
import { expectMs } from './forecast.ts';
import { STOPPING, unknownModel, type WishResult } from './wish-result.ts';
import type { WishBook } from './wishes.ts';
import { isGivenUp } from './wishes.ts';

/** Everything that is known when somebody asks about a model. */
export interface Situation {
  /** Each model that there is, with what stands in the way of its ever being loaded here, if anything does. */
  readonly models: ReadonlyMap<string, string | null>;
  readonly book: WishBook;
  readonly slots: readonly SlotFacts[];
  readonly isStopping: boolean;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

/** ready, on its way, or null: nowhere. */
export function whereIs(model: string, slots: readonly SlotFacts[]): 'ready' | 'coming' | null {
  const own = slots.filter((slot) => slot.model === model && slot.phase !== 'failed' && slot.phase !== 'held');
  if (own.some(({ phase }) => phase === 'serving')) return 'ready';
  return own.length > 0 ? 'coming' : null;
}

/** Why a model cannot be had now; null: nothing is in the way. An operator's order is not kept from what was given up or drained. */
export function obstacle(
  { models, book, slots, isStopping, nowMs }: Situation,
  model: string,
  isOrder = false,
): Exclude<WishResult, { kind: 'accepted' }> | null {
  const refusal = models.get(model);
  if (refusal === undefined) return unknownModel(model);
  if (isStopping) return STOPPING;
  if (refusal !== null) return { kind: 'conflict', reason: refusal };
  if (isOrder) return null;
  if (isGivenUp(book, model, nowMs))
    return { kind: 'conflict', reason: `${model} was given up. ${book.givenUp.get(model)?.failure.message ?? ''}` };
  const own = slots.filter((slot) => slot.models.includes(model));
  if (own.every(({ phase }) => phase === 'held'))
    return {
      kind: 'conflict',
      reason: own.length < slots.length ? 'Its worker was drained by an operator.' : 'Every worker was drained by an operator.',
    };
  return null;
}

/** How a model stands, for the gateway. */
export function standingOf(situation: Situation, model: string, costs: SwapCosts): ModelLoad {
  const { models, book, slots, nowMs } = situation;
  const present = whereIs(model, slots);
  const asleep = slots.some((slot) => slot.asleep.includes(model));
  if (present === 'ready') return { state: 'ready', loadable: true, etaSeconds: null, reason: null, asleep };
  if (present === null && obstacle(situation, model)) {
    const failure = isGivenUp(book, model, nowMs) ? book.givenUp.get(model)?.failure : undefined;
    const reason = models.get(model) ?? failure?.message ?? null;
    return { state: reason === null ? 'available' : 'failed', loadable: false, etaSeconds: null, reason, asleep };
  }
  const leftMs = expectMs(model, slots, [...book.wishes.values()], nowMs, costs);
  const etaSeconds = leftMs === null ? null : wholeSeconds(leftMs);
  return { state: present === null ? 'available' : 'loading', loadable: true, etaSeconds, reason: null, asleep };
}

/** A move that takes longer than expected is not late by a negative time. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
