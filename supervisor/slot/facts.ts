import type { SlotRules, SlotState } from './state.ts';

/** The facts of a slot (one worker with its GPUs, where one model at a time is awake) from which swaps are decided. Times are monotonic milliseconds. */
export interface SlotFacts {
  readonly id: string;
  /** All that may ever be loaded here. */
  readonly models: readonly string[];
  /**
   * serving: its model is ready · moving: a load, a swap or an unload is under way · recovering: it waits before it tries again ·
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
  readonly fallback: string | null;
  /** Models whose engines sleep here: they are back soon. */
  readonly asleep: readonly string[];
  /** Models that cannot be loaded here, since their cards are lent to others. Absent: none. */
  readonly lent?: readonly string[];
}

/** What only the worker on the seat knows. */
export type WorkerFacts = Pick<SlotFacts, 'readySinceMs' | 'usedAtMs' | 'seenAtMs' | 'wasUsed'>;

export function factsOf(id: string, rules: SlotRules, { seat, sleepers }: SlotState, worker: WorkerFacts): SlotFacts {
  const next = seat.kind === 'vacating' ? seat.to : seat.kind === 'empty' || seat.kind === 'held' ? null : seat.model;
  const turn = rules.models.get(next ?? seat.model);
  return {
    ...worker,
    id,
    models: [...rules.models.keys()],
    phase: phaseOf(seat),
    model: next,
    dwellMs: turn?.dwellMs ?? 0,
    idleUnloadMs: turn?.idleUnloadMs ?? null,
    fallback: seat.kind === 'failed' ? seat.fallback : null,
    asleep: asleepIn({ seat, sleepers }),
  };
}

/** Models whose engines sleep, those that have slept for longest first. */
export function asleepIn({ sleepers }: SlotState): readonly string[] {
  return sleepers.filter(({ isEnding }) => !isEnding).map(({ model }) => model);
}

function phaseOf(seat: SlotState['seat']): SlotFacts['phase'] {
  switch (seat.kind) {
    case 'empty':
      return 'resting';
    case 'vacating':
      return 'moving';
    case 'coming':
      return seat.isPausing ? 'recovering' : 'moving';
    default:
      return seat.kind;
  }
}
