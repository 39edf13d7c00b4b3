/** A place where one model at a time can be loaded: one worker with its GPUs. Times are monotonic milliseconds. */
export interface SlotFacts {
  readonly id: string;
  /**
   * serving: its model is ready · moving: a load, a change or an unload is under way · recovering: it waits before it tries again ·
   * failed: its model was given up · resting: nothing is loaded · held: an operator has taken it out of service.
   */
  readonly phase: 'serving' | 'moving' | 'recovering' | 'failed' | 'resting' | 'held';
  /** What is loaded, or is about to be; null where that is nothing. */
  readonly model: string | null;
  /** Since when it has served, where it does. */
  readonly readySinceMs: number;
  /** When its model last had work, and when it was last asked whether it has. */
  readonly usedAtMs: number;
  readonly seenAtMs: number;
  /** It has had work since it is ready, or nobody can say. */
  readonly wasUsed: boolean;
  /** How long its model stays at least, once it is ready. */
  readonly dwellMs: number;
  /** Without work for this long it is unloaded; null: it stays. */
  readonly idleUnloadMs: number | null;
  /** What is loaded again if the present model fails; null where there is nothing to go back to. */
  readonly before: string | null;
  /** Models whose engines sleep here: they are back soon. */
  readonly asleep: readonly string[];
}

/** Somebody wants a model that is not loaded. */
export interface Wish {
  readonly model: string;
  /** An operator's word neither waits for the dwell nor for work to end. */
  readonly by: 'calls' | 'operator';
  readonly sinceMs: number;
  /** From here on (counted from `sinceMs`) it is met even while the model in its way has work. */
  readonly boundMs: number;
}

type SwapMove =
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
      .filter(({ phase }) => phase !== 'held' || wish.by === 'operator')
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
    if (slot.phase === 'failed' && slot.before !== null) return { kind: 'load', slot: slot.id, model: slot.before };
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
function inTurn(wishes: readonly Wish[]): readonly Wish[] {
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
function staysUntil({ readySinceMs, dwellMs, wasUsed, seenAtMs }: SlotFacts, nowMs: number): number {
  const dwellEndMs = readySinceMs + dwellMs;
  if (wasUsed) return dwellEndMs;
  const unusedMs = readySinceMs + UNUSED_MS;
  return Math.min(dwellEndMs, seenAtMs >= unusedMs ? unusedMs : Math.max(unusedMs, nowMs + LOOK_MS));
}

/** Of two slots that could be taken now, the one whose loss costs less. */
function reluctance({ phase }: SlotFacts): number {
  return ['resting', 'failed', 'recovering', 'serving', 'held'].indexOf(phase);
}

/** What a change costs, from history. Milliseconds. */
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
  const places = slots.filter(({ phase }) => phase !== 'held').map((slot) => ({ id: slot.id, ...placeOf(slot, nowMs, costs) }));
  const line = inTurn(unmet(slots, wishes));
  const ahead = line.findIndex((wish) => wish.model === model);
  for (const next of [...line.slice(0, ahead === -1 ? line.length : ahead).map((wish) => wish.model), model]) {
    const readyIn = (place: (typeof places)[number]) => place.inMs + place.leaveMs + costs.start(next, place.id);
    const [place] = places.toSorted((a, b) => readyIn(a) - readyIn(b));
    if (!place) return null;
    const readyInMs = readyIn(place);
    if (next === model) return readyInMs;
    place.inMs = readyInMs + costs.dwell(next);
    place.leaveMs = costs.leave(next);
  }
  return null;
}

/** When a slot can be taken, counted from now, and what it then takes to empty it. */
function placeOf(slot: SlotFacts, nowMs: number, costs: SwapCosts): { inMs: number; leaveMs: number } {
  const leaveMs = slot.model === null ? 0 : costs.leave(slot.model);
  if (slot.phase === 'serving') return { inMs: Math.max(0, staysUntil(slot, nowMs) - nowMs), leaveMs };
  if (slot.phase === 'moving') return { inMs: costs.left(slot) + (slot.model === null ? 0 : slot.dwellMs), leaveMs };
  return { inMs: 0, leaveMs: slot.phase === 'recovering' ? leaveMs : 0 };
}
