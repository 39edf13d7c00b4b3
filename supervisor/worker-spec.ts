import type { Clock } from '../gateway/core/clock.ts';
import type { Lease } from '../gateway/core/lease.ts';
import type { Random } from '../gateway/core/random.ts';
import type { Failure } from './failure.ts';
import type { LadderLimits, Setup } from './ladder.ts';
import type { LaunchPlan } from './launch.ts';
import type { Log } from './log.ts';
import type { LogFiles } from './log-file.ts';
import type { SupervisionPolicy } from './policy.ts';
import type { PortPool } from './ports.ts';
import type { SleepLevel } from './sleep-level.ts';
import type { StartHistory } from './start-history.ts';
import type { WorkerFacts } from './worker-view.ts';

export type Plan = { readonly kind: 'run'; readonly launch: LaunchPlan } | { readonly kind: 'refused'; readonly reason: string };

/** What a worker is to be. */
export interface WorkerSpec extends WorkerFacts {
  readonly modelId: string;
  readonly source: string;
  readonly gpuUuids: readonly string[];
  /** Of those GPUs; null where it is not known. */
  readonly driverVersion: string | null;
  /** How long a start takes as far as anyone can tell before the first, and a waking. */
  readonly startEstimateMs: number;
  readonly wakeEstimateMs: number;
  /** null: unknown. */
  readonly weightsGib: number | null;
  /** How deep it sleeps while another model has the GPU; null: it ends instead. */
  readonly sleep: SleepLevel | null;
  readonly instancePrefix: string;
  /** Of everything that it is launched with, except for the port and what is relaxed. */
  readonly fingerprint: string;
  /** What the profiles and the operator ask for, and how far it may be relaxed; null when it cannot run here at all. */
  readonly wanted: { readonly setup: Setup; readonly limits: LadderLimits } | null;
  /** `setup`: what to launch it with instead of what is wanted. */
  readonly plan: (port: number, instanceId: string, setup?: Setup) => Plan;
}

/** What a worker's supervisor needs of the world. */
export interface WorkerWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  readonly ports: PortPool;
  readonly logs: LogFiles;
  readonly recordsDirectory: string;
  /** Where what was relaxed is kept. */
  readonly ladderFile: string;
  readonly starts: StartHistory;
  /**
   * Calls `done` once when this worker may start with this setup (or wake: then it holds a part of its memory already), or with what
   * stands in the way. Releasing the lease ends the wait or the turn.
   */
  readonly clearance: (setup: Setup | null, isSleeper: boolean, done: (failure: Failure | null) => void) => Lease;
  /** The turn to start, for a start that is under way already. */
  readonly holdTurn: () => Lease;
  /** After every change of the view. */
  readonly onChange: () => void;
}

/** Under which the times that it takes to wake are remembered. */
export function wakeKey({ fingerprint }: Pick<WorkerSpec, 'fingerprint'>): string {
  return `wake ${fingerprint}`;
}
