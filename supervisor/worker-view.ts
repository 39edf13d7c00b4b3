import type { ServedModel, WorkerFailure, WorkerStage, WorkerView } from '../gateway/core/worker.ts';
import type { Failure } from './failure.ts';
import type { Life, Machine } from './life.ts';

/** What does not change as long as the worker's settings do not. */
export interface WorkerFacts {
  readonly id: string;
  readonly profile: string;
  readonly engine: 'vllm' | 'sim';
}

/** What the shell knows beside the machine. Wall-clock times in milliseconds. */
export interface WorkerShell {
  readonly port: number;
  readonly models: readonly ServedModel[];
  readonly maxNumSeqs: number;
  readonly args: readonly string[];
  readonly startedAtMs: number | null;
  readonly failedAtMs: number | null;
  /** How long a start is expected to take. */
  readonly startEstimateMs: number;
}

/** What the gateway is told of a worker. `nowMs` is monotonic, as the machine's times are. */
export function toView(facts: WorkerFacts, machine: Machine, shell: WorkerShell, nowMs: number): WorkerView {
  const { life, history } = machine;
  return {
    id: facts.id,
    url: `http://127.0.0.1:${shell.port}`,
    models: shell.models,
    state: life.state,
    stage: stageOf(life),
    maxNumSeqs: shell.maxNumSeqs,
    pid: 'process' in life ? (life.process?.pid ?? null) : null,
    port: shell.port,
    startedAtMs: 'process' in life ? shell.startedAtMs : null,
    restarts: Math.max(0, machine.incarnation - 1),
    degradation: [],
    lastFailure: history.lastFailure ? toFailure(history.lastFailure, shell.failedAtMs ?? 0) : null,
    etaSeconds: etaSeconds(life, shell.startEstimateMs, nowMs),
    profile: facts.profile,
    engine: facts.engine,
    args: shell.args,
  };
}

function stageOf(life: Life): WorkerStage | null {
  switch (life.state) {
    case 'starting':
      return life.step === 'loading' ? life.stage : null;
    case 'warming':
      return 'warmup';
    case 'ready':
    case 'draining':
      return 'ready';
    default:
      return null;
  }
}

function toFailure(failure: Failure, atMs: number): WorkerFailure {
  const { class: name, phase, message, advice } = failure;
  return { class: name, phase, message, advice, at: new Date(atMs).toISOString() };
}

function etaSeconds(life: Life, estimateMs: number, nowMs: number): number | null {
  const leftMs = leftOfStart(life, estimateMs, nowMs);
  // A start that takes longer than expected is not late by a negative time.
  return leftMs === null ? null : Math.max(1, Math.ceil(leftMs / 1000));
}

function leftOfStart(life: Life, estimateMs: number, nowMs: number): number | null {
  switch (life.state) {
    case 'starting':
      return life.step === 'loading' ? life.process.spawnedAtMs + estimateMs - nowMs : estimateMs;
    case 'warming':
      return life.process.spawnedAtMs + estimateMs - nowMs;
    case 'backoff':
      return life.untilMs + estimateMs - nowMs;
    default:
      return null;
  }
}
