import type { Failure } from '../failure/failure.ts';
import type { Life } from '../machine/life.ts';

/** How one model takes turns with the others of its slot. Milliseconds. */
export interface TurnRules {
  /** Its engine sleeps while another model serves; otherwise it ends. */
  readonly sleeps: boolean;
  /** How long it stays at least, once it is ready. */
  readonly dwellMs: number;
  /** Without work for this long it is unloaded, asleep or not; null: it stays. */
  readonly idleUnloadMs: number | null;
}

export interface SlotRules {
  /** By model: all that may ever be loaded here. */
  readonly models: ReadonlyMap<string, TurnRules>;
  /** How many of them may sleep at a time while another is loaded. */
  readonly maxAsleep: number;
}

/** A model whose engine sleeps in the slot, or sleeps no more and is about to be gone (`isEnding`). */
export interface Sleeper {
  readonly model: string;
  readonly sinceMs: number;
  readonly isEnding: boolean;
}

/** One model instead of another. */
export interface Swap {
  /** null: nothing was loaded. */
  readonly from: string | null;
  /** What is loaded again if the next model fails: the one before, where that was ready. */
  readonly fallback: string | null;
  /** Monotonic and wall-clock milliseconds. */
  readonly sinceMs: number;
  readonly startedAtMs: number;
}

/** Who has the slot's memory. `model` is always the one whose worker is shown as the slot's. */
export type Seat =
  /** Nobody. `model` had it last, or is to have it first. */
  | { readonly kind: 'empty'; readonly model: string }
  /** It is being cleared for `to`, or for nobody: `model` is going or gone, and so are sleepers that must make room. */
  | {
      readonly kind: 'vacating';
      readonly model: string;
      readonly isGone: boolean;
      readonly to: string | null;
      /** null: nobody swaps it; it is back when its card is. */
      readonly swap: Swap | null;
    }
  /** `model` is starting, trying again, or out of service for a moment. */
  | {
      readonly kind: 'coming';
      readonly model: string;
      /** It waits before it tries again. */
      readonly isPausing: boolean;
      /** null: nobody swapped it in; it starts by itself. */
      readonly swap: Swap | null;
    }
  | { readonly kind: 'serving'; readonly model: string }
  /** `model` was given up. */
  | { readonly kind: 'failed'; readonly model: string; readonly failure: Failure; readonly fallback: string | null }
  /** An operator has taken it out of service, or a process in it cannot be ended. `isGone`: nothing is left of `model`. */
  | { readonly kind: 'held'; readonly model: string; readonly isGone: boolean };

export interface SlotState {
  readonly seat: Seat;
  /** Those that have slept for longest first. */
  readonly sleepers: readonly Sleeper[];
}

export type SlotEvent =
  /** The first model is to be loaded. Does nothing once anything is. */
  | { readonly type: 'start' }
  /** `to` is to be loaded instead of whatever is there; null: everything is to be ended. Not heard while a swap is under way. */
  | { readonly type: 'swap'; readonly to: string | null }
  /** The present model is to start anew. */
  | { readonly type: 'restart' }
  /** Out of service until an operator wants a model again (hold), or for good (stop). */
  | { readonly type: 'hold' | 'stop' }
  /** One model's sleep is to end. */
  | { readonly type: 'end_sleeper'; readonly model: string }
  /** Its card is lent: what is awake sleeps or ends, and comes back as soon as it may. */
  | { readonly type: 'give_way' }
  /** Every sleeper is to end: the present model does not fit beside them. */
  | { readonly type: 'make_room' }
  /** Time has passed: what has slept unused for too long ends. */
  | { readonly type: 'time' }
  /** The worker of a model has changed. */
  | { readonly type: 'worker'; readonly model: string; readonly life: Life };

export type SlotEffect =
  | { readonly type: 'tell'; readonly model: string; readonly wish: 'start' | 'restart' | 'drain' | 'stop' | 'sleep' }
  /** Wake or start a model because it was swapped in, after another. */
  | { readonly type: 'load'; readonly model: string; readonly after: string }
  /** How long a model that had served took to go. */
  | { readonly type: 'note_leave'; readonly model: string; readonly tookMs: number }
  | { readonly type: 'give_up'; readonly model: string; readonly failure: Failure };

export interface SlotStep {
  readonly slot: SlotState;
  readonly effects: readonly SlotEffect[];
}

/** When a step is taken: monotonic and wall-clock milliseconds. */
export interface SlotMoment {
  readonly nowMs: number;
  readonly wallMs: number;
}

/** Before anything has begun. `model` is the first to be loaded. */
export function newSlot(model: string): SlotState {
  return { seat: { kind: 'empty', model }, sleepers: [] };
}
