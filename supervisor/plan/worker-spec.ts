import type { Setup, Wanted } from '../ladder/step.ts';
import type { LaunchPlan } from '../engine/launch.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';

/** What does not change as long as the worker's settings do not. */
export interface WorkerFacts {
  readonly id: string;
  readonly profile: string;
  readonly engine: 'vllm' | 'sim';
  readonly gpuUuids: readonly string[];
}

export type Plan = { readonly kind: 'run'; readonly launch: LaunchPlan } | { readonly kind: 'refused'; readonly reason: string };

/** What a worker is to be. */
export interface WorkerSpec extends WorkerFacts {
  readonly modelId: string;
  readonly source: string;
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
  /** null: it cannot run here at all. */
  readonly wanted: Wanted | null;
  /** `setup`: what to launch it with instead of what is wanted. */
  readonly plan: (port: number, instanceId: string, setup?: Setup) => Plan;
}

/** Under which the times that it takes to wake are remembered. */
export function wakeKey({ fingerprint }: Pick<WorkerSpec, 'fingerprint'>): string {
  return `wake ${fingerprint}`;
}
