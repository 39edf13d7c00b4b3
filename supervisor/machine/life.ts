import type { WorkerStage } from '../../gateway/core/worker.ts';
import type { FailurePhase } from '../failure/row.ts';
import type { Failure } from '../failure/failure.ts';
import type { Footing, FootingChange } from '../ladder/ladder.ts';
import { LEVEL_GROUND } from '../ladder/ladder.ts';
import type { Relaxation, Wanted } from '../ladder/step.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { Beat } from '../../gateway/vllm/beat.ts';

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
  /** It has been ready with the settings that it has now. */
  readonly hasServed: boolean;
  /** Since when somebody else has held what it needs. */
  readonly busySinceMs: number | null;
  /** It was given up before and is on its one more chance. */
  readonly halfOpen: boolean;
  readonly lastFailure: Failure | null;
}

export function freshHistory(): History {
  return { failures: 0, crashesMs: [], sameStart: null, hasServed: false, busySinceMs: null, halfOpen: false, lastFailure: null };
}

export type Judgement = { readonly kind: 'retry'; readonly afterMs: number } | { readonly kind: 'give_up'; readonly failure: Failure };

/** What follows when the process is gone. `again`: one more chance · `relax`: at once, with what has just been relaxed. */
export type Next = { readonly kind: 'rest' | 'restart' | 'again' | 'relax' } | Judgement;

/** What follows when the last requests are done: the process stays, asleep, or it goes. */
export type Leave = { readonly kind: 'sleep' } | Next;

/** What the looks at a serving engine have shown. */
export interface Pulse {
  /** null: nobody has looked yet, or the engine does not say. */
  readonly last: Beat | null;
  /** When the engine was last looked at with success. */
  readonly seenAtMs: number;
  /** When the engine last made progress, moved forward by the time in which it has had nothing to do since. */
  readonly movedAtMs: number;
  /** When the engine last had work. */
  readonly usedAtMs: number;
  /** When we last asked it for a token. */
  readonly askedAtMs: number;
  /** Questions in a row that were answered wrongly or refused. */
  readonly misses: number;
  /** Questions in a row that were not answered in time. */
  readonly silences: number;
  /** The last of these at which its process was found to do nothing at all. */
  readonly frozen: number;
  /** The question under way is one for a token. */
  readonly tested: boolean;
  /** Nothing short can be asked of its model (speech, for one): a question for a token was answered with what has been done. */
  readonly untestable: boolean;
  /** Tokens asked for in a row that did not come, while nobody else got one either. */
  readonly withheld: number;
  /** How often it stood still and made the token that it was asked for, since it last had nothing in hand. */
  readonly cleared: number;
}

/** A worker that has been ready. */
interface Serving {
  readonly process: ProcessRef;
  /** Since when it has been. */
  readonly sinceMs: number;
  readonly pulse: Pulse;
}

/** A failure that nobody has been told of. */
export interface Untold {
  readonly failure: Failure;
  readonly next: 'retry' | 'give_up';
}

/** One worker's life. Times are monotonic milliseconds. */
export type Life =
  | { readonly state: 'idle' }
  /** Waiting for the GPU: its turn to start, and its memory to be free. `sleeper`: the process that is to be woken, where there is one. */
  | { readonly state: 'starting'; readonly step: 'clearing'; readonly sleeper: ProcessRef | null }
  | { readonly state: 'starting'; readonly step: 'waking'; readonly process: ProcessRef; readonly begunAtMs: number }
  | { readonly state: 'starting'; readonly step: 'spawning' }
  | {
      readonly state: 'starting';
      readonly step: 'loading';
      readonly process: ProcessRef;
      readonly stage: WorkerStage;
      /** When this stage was reached. */
      readonly stageAtMs: number;
      /** 0..1 of the weights that have been read. */
      readonly loaded: number;
      readonly progressAtMs: number;
    }
  | { readonly state: 'warming'; readonly process: ProcessRef; readonly attempt: number }
  /** Its process lives and holds next to no GPU memory, so that another model can have it. */
  | { readonly state: 'asleep'; readonly process: ProcessRef }
  | ({ readonly state: 'ready' } & Serving)
  /** Out of service while its requests get nowhere; it may recover. */
  | ({ readonly state: 'draining'; readonly step: 'stalled' } & Serving)
  /** About to be stopped, or put to sleep. */
  | { readonly state: 'draining'; readonly step: 'told'; readonly process: ProcessRef; readonly then: Leave }
  /** Its last requests are waited for before it sleeps. */
  | { readonly state: 'draining'; readonly step: 'emptying'; readonly process: ProcessRef }
  /** It gives its memory back. */
  | { readonly state: 'draining'; readonly step: 'dozing'; readonly process: ProcessRef }
  | {
      readonly state: 'stopping';
      readonly step: 'leader' | 'group' | 'kill' | 'sweep';
      /** null: asked to stop before the process was there. */
      readonly process: ProcessRef | null;
      readonly then: Next;
      /** What was only noticed, and is told of when its end has shown the cause. */
      readonly untold: Untold | null;
    }
  | { readonly state: 'backoff'; readonly untilMs: number }
  | { readonly state: 'failed'; readonly failure: Failure };

/** Life in one state. */
export type In<S extends Life['state'], P = unknown> = Extract<Life, { state: S } & P>;

/** Since when a worker has served; null when it does not. */
export function servingSinceMs(life: Life): number | null {
  return 'sinceMs' in life ? life.sinceMs : null;
}

export interface Machine {
  readonly life: Life;
  /** Counts changes of life: what was begun in an earlier one is not heard any more. */
  readonly epoch: number;
  /** Counts starts; the process of start n is known by n. */
  readonly incarnation: number;
  readonly history: History;
  readonly footing: Footing;
}

export type TimerName = 'probe' | 'deadline' | 'settle' | 'escalate' | 'backoff' | 'half_open';

/** timed_out: nobody answered in time, so it is busy · frozen: the same, and its process did nothing meanwhile · refused: nobody is there · wrong: the answer was not what it should be. */
export type ProbeMiss = 'timed_out' | 'frozen' | 'refused' | 'wrong';

/** A process that an earlier supervisor has left running, found to be ours and well. Times are monotonic, possibly before our own start. */
export interface Foundling {
  readonly incarnation: number;
  readonly pid: number;
  readonly spawnedAtMs: number;
  /** Since when it has been ready, or how far its start had come. */
  readonly found:
    | { readonly kind: 'ready'; readonly sinceMs: number }
    | { readonly kind: 'loading'; readonly stage: WorkerStage }
    | { readonly kind: 'asleep' };
}

export type Event =
  /** sleep: where it serves, its model is to keep its process and give its memory back; anywhere else it is a stop. */
  | { readonly type: 'start' | 'restart' | 'drain' | 'stop' | 'sleep' }
  | { readonly type: 'adopt'; readonly foundling: Foundling }
  | { readonly type: 'vram_free'; readonly epoch: number }
  /** Somebody else holds the memory for this start, and that was waited for long enough; or the card never has so much of it free. */
  | { readonly type: 'vram_busy'; readonly epoch: number; readonly failure: Failure }
  | { readonly type: 'spawned'; readonly incarnation: number; readonly pid: number }
  | { readonly type: 'spawn_failed'; readonly incarnation: number; readonly failure: Failure }
  /** The log said something new. */
  | {
      readonly type: 'progress';
      readonly incarnation: number;
      readonly stage: WorkerStage | null;
      /** 0..1 of the weights; null when it said nothing of that. */
      readonly loaded: number | null;
      /** It said that the server now answers. */
      readonly serving: boolean;
      /** It said that its engine is dead. */
      readonly dying: boolean;
      /** It said that it was told to stop. */
      readonly told: boolean;
    }
  /** `beat`: null where only the answer counted, or the engine does not count. */
  | { readonly type: 'probe_ok'; readonly epoch: number; readonly beat: Beat | null }
  | { readonly type: 'probe_failed'; readonly epoch: number; readonly reason: string; readonly miss: ProbeMiss }
  | { readonly type: 'slept' | 'woken' | 'warmed'; readonly epoch: number }
  | { readonly type: 'sleep_failed' | 'wake_failed' | 'warm_up_failed'; readonly epoch: number; readonly reason: string }
  /** `failure` explains the exit, in case nobody asked for it. */
  | { readonly type: 'exited'; readonly incarnation: number; readonly failure: Failure }
  | { readonly type: 'swept'; readonly epoch: number; readonly survivors: readonly number[] }
  /** What was relaxed is to be taken back with the next start: it was for another version of the engine, or an operator wants it so. */
  | { readonly type: 'outdated' }
  | { readonly type: 'timer'; readonly epoch: number; readonly timer: TimerName };

export type Effect =
  /** Wait for the turn to start and for free memory; answered by vram_free or vram_busy. */
  | { readonly type: 'await_clearance'; readonly epoch: number }
  /** Take the turn to start for a start that is under way already. */
  | { readonly type: 'hold_turn' }
  /** Let the next one start, or stop waiting. */
  | { readonly type: 'release_clearance' }
  | { readonly type: 'spawn'; readonly incarnation: number }
  /** serving: is it our model that answers? · pulse: is it well, and how much has it done? · token: does it still make one? */
  | { readonly type: 'probe'; readonly epoch: number; readonly depth: 'serving' | 'pulse' }
  | { readonly type: 'probe'; readonly epoch: number; readonly depth: 'token'; readonly patienceMs: number }
  /** brief: one token is enough, its kernels and graphs are there. */
  | { readonly type: 'warm_up'; readonly epoch: number; readonly brief: boolean }
  /** Answered by slept or sleep_failed. */
  | { readonly type: 'sleep'; readonly epoch: number }
  /** Answered by woken or wake_failed. */
  | { readonly type: 'wake'; readonly epoch: number }
  | { readonly type: 'terminate_leader'; readonly pid: number }
  | { readonly type: 'terminate_group'; readonly pid: number }
  /** overdue: it was asked to end before, and had its time. */
  | { readonly type: 'kill_group'; readonly pid: number; readonly overdue: boolean }
  /** End whatever is left of this worker's processes; answered by swept. */
  | { readonly type: 'sweep'; readonly epoch: number }
  | { readonly type: 'set_timer'; readonly timer: TimerName; readonly epoch: number; readonly afterMs: number }
  | { readonly type: 'cancel_timers' }
  | { readonly type: 'take_next_port' }
  | { readonly type: 'report_failure'; readonly failure: Failure; readonly next: 'retry' | 'give_up' | 'relax' | 'watch' | 'rest' }
  /** Keep the footing beyond this supervisor's life; `change` is what is new about it, and of which step. */
  | {
      readonly type: 'save_footing';
      readonly change: FootingChange | null;
      readonly step: Relaxation | null;
      readonly failure: Failure | null;
    }
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

/** What a worker's life is decided by and what does not change in it. */
export interface Rules {
  readonly policy: SupervisionPolicy;
  /** null: it cannot run here at all. */
  readonly wanted: Wanted | null;
}

/** Everything that a step is decided from besides the event. */
export interface Now extends Rules {
  readonly machine: Machine;
  readonly at: Moment;
}

export const NEW_MACHINE: Machine = {
  life: { state: 'idle' },
  epoch: 0,
  incarnation: 0,
  history: freshHistory(),
  footing: LEVEL_GROUND,
};

/** What a start was doing, for failures that the log says nothing of. */
export function phaseOfStage(stage: WorkerStage): FailurePhase {
  switch (stage) {
    case 'process':
      return 'load';
    case 'model_loaded':
      return 'profile';
    case 'cuda_graphs':
    case 'warmup':
      return 'warmup';
    case 'ready':
      return 'serving';
  }
}

/** What an engine was doing when it ended. `logged`: as far as its log tells of a start. */
export function phaseOf({ life, history }: Machine, logged: FailurePhase): FailurePhase {
  if (life.state === 'starting') return logged;
  if (life.state === 'warming') return 'warmup';
  if (life.state !== 'stopping') return 'serving';
  // A start that is given up did not serve.
  return (life.untold?.failure ?? history.lastFailure)?.phase ?? 'serving';
}
