import type { Sleeper, SlotRules, SlotState, SlotStep } from './state.ts';

/** Those beyond `room` that are not about to be gone, or woken for `to`: the ones that have slept for longest. */
export function tooMany(sleepers: readonly Sleeper[], to: string | null, room: number): readonly Sleeper[] {
  const staying = sleepers.filter(({ model, isEnding }) => model !== to && !isEnding);
  return staying.slice(0, Math.max(0, staying.length - room));
}

/** Ends these, those that are ending already excepted. */
export function ending(slot: SlotState, which: readonly Sleeper[]): SlotStep {
  const models = new Set(which.filter(({ isEnding }) => !isEnding).map(({ model }) => model));
  if (models.size === 0) return { slot, effects: [] };
  const sleepers = slot.sleepers.map((sleeper) => (models.has(sleeper.model) ? { ...sleeper, isEnding: true } : sleeper));
  return { slot: { ...slot, sleepers }, effects: [...models].map((model) => ({ type: 'tell', model, wish: 'stop' })) };
}

/** Some sleep no more and are not gone yet: their memory is not free. */
export function isClearing({ sleepers }: SlotState): boolean {
  return sleepers.some(({ isEnding }) => isEnding);
}

export function without(sleepers: readonly Sleeper[], model: string): readonly Sleeper[] {
  return sleepers.filter((sleeper) => sleeper.model !== model);
}

/** Those that have slept for as long as their rules let them go unused. */
export function idleSleepers(rules: SlotRules, { sleepers }: SlotState, nowMs: number): readonly Sleeper[] {
  return sleepers.filter((sleeper) => dueMs(rules, sleeper) <= nowMs);
}

/** When the next of them will have; Infinity: none ever. Monotonic milliseconds. */
export function nextIdleMs(rules: SlotRules, { sleepers }: SlotState): number {
  return Math.min(...sleepers.filter(({ isEnding }) => !isEnding).map((sleeper) => dueMs(rules, sleeper)));
}

function dueMs({ models }: SlotRules, { model, sinceMs }: Sleeper): number {
  return sinceMs + (models.get(model)?.idleUnloadMs ?? Infinity);
}
