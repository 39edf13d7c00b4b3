import type { SchedulingPolicy, ServedModel, WorkerFailure, WorkerStage, WorkerView } from '../../gateway/core/worker.ts';
import type { Failure } from '../failure/failure.ts';
import { refusedFeatures, summarize } from '../ladder/step.ts';
import type { Life, Machine } from '../machine/life.ts';
import type { StartEstimate, StartPoint, StartSample } from './start-estimate.ts';
import { NO_PORT } from './port.ts';
import { estimateStart } from './start-estimate.ts';
import type { WorkerFacts } from '../plan/worker-spec.ts';

/** What the shell knows beside the machine. Wall-clock times in milliseconds. */
export interface WorkerShell {
  readonly port: number;
  readonly models: readonly ServedModel[];
  readonly maxNumSeqs: number;
  readonly scheduling: SchedulingPolicy;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly startedAtMs: number | null;
  readonly failedAtMs: number | null;
  /** How long the last starts took, and how long one is expected to take before there was any. */
  readonly starts: readonly StartSample[];
  readonly startEstimateMs: number;
  /** The same of waking. */
  readonly wakes: readonly StartSample[];
  readonly wakeEstimateMs: number;
  /** Starts that somebody has asked for by wanting the model: they are no restarts. */
  readonly loads: number;
  /** How long a start has to wait for its cards, which are lent to others. Absent: not at all. */
  readonly heldUpMs?: number;
}

/** What the gateway is told of a worker. `nowMs` is monotonic, as the machine's times are. */
export function toView(facts: WorkerFacts, machine: Machine, shell: WorkerShell, nowMs: number): WorkerView {
  const { life, history } = machine;
  const estimate = startEstimate(life, shell, nowMs);
  return {
    id: facts.id,
    url: `http://127.0.0.1:${shell.port}`,
    models: shell.models,
    // Asleep it has no part in serving; its model is what the gateway hears of.
    state: life.state === 'asleep' ? 'idle' : life.state,
    stage: stageOf(life),
    maxNumSeqs: shell.maxNumSeqs,
    scheduling: shell.scheduling,
    pid: 'process' in life ? (life.process?.pid ?? null) : null,
    port: shell.port === NO_PORT ? null : shell.port,
    startedAtMs: 'process' in life ? shell.startedAtMs : null,
    restarts: Math.max(0, machine.incarnation - shell.loads),
    degradation: summarize(machine.footing.steps),
    refuses: refusedFeatures(machine.footing.steps),
    lastFailure: history.lastFailure ? toFailure(history.lastFailure, shell.failedAtMs ?? 0) : null,
    // A start that takes longer than expected is not late by a negative time.
    etaSeconds: estimate ? Math.max(1, Math.ceil(estimate.leftMs / 1000)) : null,
    percent: estimate?.percent ?? null,
    profile: facts.profile,
    gpus: facts.gpuUuids,
    engine: facts.engine,
    args: shell.args,
    logFile: shell.logFile,
  };
}

/** The latest failure among workers that take turns, which says whose it is; null where none has failed. */
export function latestFailure(
  workers: Iterable<{ readonly spec: { readonly modelId: string }; view(): WorkerView }>,
): WorkerFailure | null {
  let latest: WorkerFailure | null = null;
  for (const worker of workers) {
    const failure = worker.view().lastFailure;
    if (failure && (!latest || failure.at > latest.at)) latest = { ...failure, message: `With ${worker.spec.modelId}: ${failure.message}` };
  }
  return latest;
}

function stageOf(life: Life): WorkerStage | null {
  switch (life.state) {
    case 'starting':
      if (life.step === 'waking') return 'process';
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

type Experience = Pick<WorkerShell, 'starts' | 'startEstimateMs' | 'wakes' | 'wakeEstimateMs' | 'heldUpMs'>;

const FROM_THE_BEGINNING: StartPoint = { stage: null, inStageMs: 0, loaded: 0 };

/** A start from its beginning, or a waking. */
export function wholeStart({ starts, startEstimateMs, wakes, wakeEstimateMs }: Experience, isSleeper: boolean): StartEstimate {
  return isSleeper ? estimateStart(wakes, wakeEstimateMs, FROM_THE_BEGINNING) : estimateStart(starts, startEstimateMs, FROM_THE_BEGINNING);
}

/** What is left of a start, the pause before it included; null when none is under way or to come. `nowMs` is monotonic. */
export function startEstimate(life: Life, experience: Experience, nowMs: number): StartEstimate | null {
  const { starts, startEstimateMs } = experience;
  const estimate = (point: StartPoint) => estimateStart(starts, startEstimateMs, point);
  switch (life.state) {
    case 'starting':
      if (life.step === 'clearing') return later(wholeStart(experience, life.sleeper !== null), experience.heldUpMs ?? 0);
      if (life.step === 'spawning') return wholeStart(experience, false);
      if (life.step === 'waking') return gone(wholeStart(experience, true), nowMs - life.begunAtMs);
      return estimate({ stage: life.stage, inStageMs: nowMs - life.stageAtMs, loaded: life.stage === 'process' ? life.loaded : 0 });
    case 'warming':
      return estimate({ stage: 'warmup', inStageMs: 0, loaded: 0 });
    case 'backoff':
      return { leftMs: Math.max(0, life.untilMs - nowMs) + wholeStart(experience, false).leftMs, percent: 0 };
    default:
      return null;
  }
}

function later({ leftMs, percent }: StartEstimate, byMs: number): StartEstimate {
  return { leftMs: leftMs + byMs, percent };
}

/** What is left after some of it. */
function gone({ leftMs }: StartEstimate, goneMs: number): StartEstimate {
  return { leftMs: Math.max(0, leftMs - goneMs), percent: Math.min(99, Math.floor((100 * goneMs) / Math.max(1, leftMs))) };
}
