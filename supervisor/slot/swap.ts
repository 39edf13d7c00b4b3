import type { SlotFacts } from './facts.ts';
import type { Wish } from './wish.ts';

export type SwapMove =
  | { readonly kind: 'load'; readonly slot: string; readonly model: string }
  | { readonly kind: 'unload'; readonly slot: string }
  /** `lookAtMs`: when this may be decided otherwise though nothing has happened; null: never. */
  | { readonly kind: 'keep'; readonly lookAtMs: number | null };

/** A model without work for this long has none: a pause between two requests of one client is shorter. */
export const QUIET_MS = 500;
/** A model that has had no work for this long after its load has missed whoever it was loaded for, and need not stay. */
export const UNUSED_MS = 2000;
/** How often a model with work is asked whether it still has some. */
export const LOOK_MS = 250;
/** How long the answer to that is waited for. */
const LOOK_PATIENCE_MS = 1000;

/** The one thing to do next about who has which slot. Pure; asked again after every change until it says keep. */
export function nextMove(slots: readonly SlotFacts[], wishes: readonly Wish[], nowMs: number): SwapMove {
  let lookAtMs: number | null = null;
  const look = (atMs: number) => (lookAtMs = Math.min(lookAtMs ?? Infinity, Math.max(atMs, nowMs + 1)));
  const free = new Set(slots.filter(({ phase }) => phase !== 'moving'));
  const open = inTurn(unmet(slots, wishes));
  const wanted = new Set(wishes.map(({ model }) => model));

  for (const wish of open) {
    const [best] = [...free]
      .filter(
        ({ phase, models, lent }) =>
          models.includes(wish.model) && !lent?.includes(wish.model) && (phase !== 'held' || wish.by === 'operator'),
      )
      .map((slot) => ({ slot, atMs: yieldsAt(slot, wish, wanted, nowMs) }))
      .toSorted(
        (a, b) =>
          a.atMs - b.atMs ||
          Number(b.slot.asleep.includes(wish.model)) - Number(a.slot.asleep.includes(wish.model)) ||
          reluctance(a.slot) - reluctance(b.slot) ||
          a.slot.usedAtMs - b.slot.usedAtMs,
      );
    if (!best) continue;
    if (best.atMs <= nowMs) return { kind: 'load', slot: best.slot.id, model: wish.model };
    // First come, first served: it waits for this slot, and nobody who came later takes it meanwhile.
    free.delete(best.slot);
    look(Math.min(best.atMs, Math.max(nowMs + LOOK_MS, staysUntil(best.slot, nowMs))));
  }
  for (const slot of free) {
    if (slot.phase === 'failed' && slot.fallback !== null && !slot.lent?.includes(slot.fallback))
      return { kind: 'load', slot: slot.id, model: slot.fallback };
    if (slot.phase !== 'serving' || slot.idleUnloadMs === null) continue;
    const idleAtMs = slot.usedAtMs + slot.idleUnloadMs;
    if (slot.seenAtMs >= idleAtMs) return { kind: 'unload', slot: slot.id };
    look(Math.max(idleAtMs, nowMs + LOOK_MS));
  }
  return { kind: 'keep', lookAtMs };
}

/** Wishes for models that no slot has or is about to have. */
export function unmet(slots: readonly SlotFacts[], wishes: readonly Wish[]): readonly Wish[] {
  const had = new Set(slots.filter(({ phase }) => phase !== 'failed').map(({ model }) => model));
  return wishes.filter(({ model }) => !had.has(model));
}

/** The operator's first, then in the order of their coming. */
export function inTurn(wishes: readonly Wish[]): readonly Wish[] {
  return wishes.toSorted((a, b) => Number(a.by === 'calls') - Number(b.by === 'calls') || a.sinceMs - b.sinceMs);
}

/** From when on a slot may be taken for a wish. */
function yieldsAt(slot: SlotFacts, wish: Wish, wanted: ReadonlySet<string>, nowMs: number): number {
  if (wish.by === 'operator' || slot.phase === 'resting' || slot.phase === 'failed') return nowMs;
  const boundMs = wish.sinceMs + wish.boundMs;
  if (slot.phase !== 'serving') return slot.model !== null && wanted.has(slot.model) ? boundMs : nowMs;
  const quietAtMs = slot.usedAtMs + QUIET_MS;
  const seenAtMs = slot.seenAtMs < wish.sinceMs ? wish.sinceMs + LOOK_PATIENCE_MS : nowMs;
  return Math.max(staysUntil(slot, nowMs), Math.min(boundMs, Math.max(quietAtMs, seenAtMs)));
}

/** Until when a model stays whoever wants its slot: its dwell, unless a look has shown that nobody came for it. */
export function staysUntil({ readySinceMs, dwellMs, wasUsed, seenAtMs }: SlotFacts, nowMs: number): number {
  const dwellEndMs = readySinceMs + dwellMs;
  if (wasUsed) return dwellEndMs;
  const unusedMs = readySinceMs + UNUSED_MS;
  return Math.min(dwellEndMs, seenAtMs >= unusedMs ? unusedMs : Math.max(unusedMs, nowMs + LOOK_MS));
}

/** Of two slots that could be taken now, the one whose loss costs less. */
function reluctance({ phase }: SlotFacts): number {
  return ['resting', 'failed', 'recovering', 'serving', 'held'].indexOf(phase);
}
