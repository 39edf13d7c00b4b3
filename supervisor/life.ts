import type { WorkerStage } from '../gateway/core/worker.ts';
import type { Failure } from './failure.ts';

/** The engine's leading process; the number of its process group as well. */
export interface ProcessRef {
  readonly pid: number;
  readonly spawnedAtMs: number;
}

/** What a worker's past has taught. Times are monotonic milliseconds. */
export interface History {
  /** Failures since it was last stable: the place in the back-off's row. */
  readonly failures: number;
  /** When it died after having been ready. */
  readonly crashesMs: readonly number[];
  /** Starts that failed one after the other with the same signature. */
  readonly sameStart: { readonly signature: string; readonly count: number } | null;
  /** Since when somebody else has held what it needs. */
  readonly busySinceMs: number | null;
  readonly lastFailure: Failure | null;
}

export function freshHistory(): History {
  return { failures: 0, crashesMs: [], sameStart: null, busySinceMs: null, lastFailure: null };
}

export type Verdict = { readonly kind: 'retry'; readonly afterMs: number } | { readonly kind: 'give_up'; readonly failure: Failure };

/** What follows when the process is gone. */
export type Next = { readonly kind: 'rest' } | { readonly kind: 'restart' } | Verdict;

/** One worker's life. Times are monotonic milliseconds. */
export type Life =
  | { readonly state: 'idle' }
  /** Waiting for the GPU: its turn to start, and its memory to be free. */
  | { readonly state: 'starting'; readonly step: 'clearing' }
  | { readonly state: 'starting'; readonly step: 'spawning' }
  | {
      readonly state: 'starting';
      readonly step: 'loading';
      readonly process: ProcessRef;
      readonly stage: WorkerStage;
      readonly progressAtMs: number;
    }
  | { readonly state: 'warming'; readonly process: ProcessRef; readonly attempt: number }
  | { readonly state: 'ready'; readonly process: ProcessRef; readonly sinceMs: number; readonly missedProbes: number }
  | { readonly state: 'draining'; readonly process: ProcessRef; readonly then: Next }
  | {
      readonly state: 'stopping';
      readonly step: 'leader' | 'group' | 'kill' | 'sweep';
      /** null: asked to stop before the process was there. */
      readonly process: ProcessRef | null;
      readonly then: Next;
    }
  | { readonly state: 'backoff'; readonly untilMs: number }
  | { readonly state: 'failed'; readonly failure: Failure };

export interface Machine {
  readonly life: Life;
  /** Counts changes of life: what was begun in an earlier one is not heard any more. */
  readonly epoch: number;
  /** Counts starts; the process of start n is known by n. */
  readonly incarnation: number;
  readonly history: History;
}

export type TimerName = 'probe' | 'deadline' | 'settle' | 'escalate' | 'backoff';

export type Event =
  | { readonly type: 'start' | 'restart' | 'drain' | 'stop' }
  | { readonly type: 'vram_free'; readonly epoch: number }
  | { readonly type: 'vram_busy'; readonly epoch: number; readonly failure: Failure }
  | { readonly type: 'spawned'; readonly incarnation: number; readonly pid: number }
  | { readonly type: 'spawn_failed'; readonly incarnation: number; readonly failure: Failure }
  /** The log said something new. `serving`: it said that the server now answers. */
  | { readonly type: 'progress'; readonly incarnation: number; readonly stage: WorkerStage | null; readonly serving: boolean }
  | { readonly type: 'probe_ok'; readonly epoch: number }
  | { readonly type: 'probe_failed'; readonly epoch: number; readonly reason: string; readonly timedOut: boolean }
  | { readonly type: 'warmed'; readonly epoch: number }
  | { readonly type: 'warm_up_failed'; readonly epoch: number; readonly reason: string }
  /** `failure` explains the exit, in case nobody asked for it. */
  | { readonly type: 'exited'; readonly incarnation: number; readonly failure: Failure }
  | { readonly type: 'swept'; readonly epoch: number; readonly survivors: readonly number[] }
  | { readonly type: 'timer'; readonly epoch: number; readonly timer: TimerName };

export type Effect =
  /** Wait for the turn to start and for free memory; answered by vram_free or vram_busy. */
  | { readonly type: 'await_clearance'; readonly epoch: number }
  /** Let the next one start, or stop waiting. */
  | { readonly type: 'release_clearance' }
  | { readonly type: 'spawn'; readonly incarnation: number }
  | { readonly type: 'probe'; readonly epoch: number; readonly depth: 'serving' | 'health' }
  | { readonly type: 'warm_up'; readonly epoch: number }
  | { readonly type: 'terminate_leader'; readonly pid: number }
  | { readonly type: 'terminate_group'; readonly pid: number }
  | { readonly type: 'kill_group'; readonly pid: number }
  /** End whatever is left of this worker's processes; answered by swept. */
  | { readonly type: 'sweep'; readonly epoch: number }
  | { readonly type: 'set_timer'; readonly timer: TimerName; readonly epoch: number; readonly afterMs: number }
  | { readonly type: 'cancel_timers' }
  | { readonly type: 'take_next_port' }
  | { readonly type: 'report_failure'; readonly failure: Failure; readonly next: Verdict['kind'] }
  | { readonly type: 'publish' };

export interface Step {
  readonly machine: Machine;
  readonly effects: readonly Effect[];
}

/** When a step is taken: monotonic milliseconds, and a number in [0, 1) for whatever it leaves to chance. */
export interface Moment {
  readonly nowMs: number;
  readonly chance: number;
}

export const NEW_MACHINE: Machine = { life: { state: 'idle' }, epoch: 0, incarnation: 0, history: freshHistory() };
