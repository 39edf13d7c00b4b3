import type { SlotFacts } from './facts.ts';
import { inTurn, staysUntil, unmet } from './swap.ts';
import type { Wish } from './wish.ts';

/** What a swap costs, from history. Milliseconds. */
export interface SwapCosts {
  /** What is left of the move of a slot that is moving or recovering. */
  left(slot: SlotFacts): number;
  /** From the decision to let a model go until its GPU can take another. */
  leave(model: string): number;
  /** From launch to ready, or from its sleep where it sleeps in the slot. */
  start(model: string, slotId: string): number;
  dwell(model: string): number;
}

/**
 * In how many milliseconds a model will be ready if it is wished now (or has been), those who came before it served first; null when no
 * slot can take it. Work that is in the way is taken to end now.
 */
export function expectMs(
  model: string,
  slots: readonly SlotFacts[],
  wishes: readonly Wish[],
  nowMs: number,
  costs: SwapCosts,
): number | null {
  const own = slots.find((slot) => slot.model === model && slot.phase !== 'failed');
  if (own) return own.phase === 'serving' ? 0 : costs.left(own);
  const openings = slots
    .filter(({ phase }) => phase !== 'held')
    .map((slot) => ({ id: slot.id, models: slot.models, ...openingOf(slot, nowMs, costs) }));
  const line = inTurn(unmet(slots, wishes));
  const ahead = line.findIndex((wish) => wish.model === model);
  for (const next of [...line.slice(0, ahead === -1 ? line.length : ahead).map((wish) => wish.model), model]) {
    const readyIn = (opening: (typeof openings)[number]) => opening.inMs + opening.leaveMs + costs.start(next, opening.id);
    const [opening] = openings.filter(({ models }) => models.includes(next)).toSorted((a, b) => readyIn(a) - readyIn(b));
    if (!opening && next === model) return null;
    if (!opening) continue;
    const readyInMs = readyIn(opening);
    if (next === model) return readyInMs;
    opening.inMs = readyInMs + costs.dwell(next);
    opening.leaveMs = costs.leave(next);
  }
  return null;
}

/** When a slot can be taken, counted from now, and what it then takes to empty it. */
function openingOf(slot: SlotFacts, nowMs: number, costs: SwapCosts): { inMs: number; leaveMs: number } {
  const leaveMs = slot.model === null ? 0 : costs.leave(slot.model);
  if (slot.phase === 'serving') return { inMs: Math.max(0, staysUntil(slot, nowMs) - nowMs), leaveMs };
  if (slot.phase === 'moving') return { inMs: costs.left(slot) + (slot.model === null ? 0 : slot.dwellMs), leaveMs };
  return { inMs: 0, leaveMs: slot.phase === 'recovering' ? leaveMs : 0 };
}
