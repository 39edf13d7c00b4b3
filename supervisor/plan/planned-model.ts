import { fileURLToPath } from 'node:url';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import { scratchFolder, scratchVariables } from '../engine/scratch.ts';
import { planLaunch } from '../engine/launch.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';
import type { VllmInstall } from '../engine/vllm-install.ts';
import { DEFAULT_UTILIZATION } from '../fit/flags.ts';
import type { CardFacts } from '../fit/settings.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import { ladderLimits } from '../ladder/limits.ts';
import type { Setup } from '../ladder/step.ts';
import { gpusOf } from '../profile/mode.ts';
import type { EngineSettings, GpuProfile } from '../profile/profile.ts';
import type { ModelFacts } from '../repository/facts.ts';
import { fingerprint, workerPrefix } from '../system/instance-id.ts';
import type { EngineDecision } from './detect.ts';
import type { Choice } from './engine-choice.ts';
import type { AskedModel } from './model-request.ts';
import type { SwapRules } from './swap-rules.ts';
import type { Plan, WorkerSpec } from './worker-spec.ts';

/** Where and as whom the supervisor runs. */
export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly stateDir: string;
  /** The vLLM that was found and what it knows; left out where nobody looked. */
  readonly vllm?: VllmInstall | null;
  /** What keeps the GPUs from being seen, in plain words. */
  readonly gpuProblem?: string | null;
  /** Engines of an earlier run, which go on if they are still wanted: the memory they hold is nobody else's. */
  readonly running?: readonly RunningEngine[];
  /** By model, what is known of those that no profile describes; left out where nobody has asked beyond this machine. */
  readonly facts?: ReadonlyMap<string, ModelFacts>;
}

export interface RunningEngine {
  readonly worker: string;
  readonly model: string;
  readonly gpuUuids: readonly string[];
}

/** One model on one worker's GPUs. */
export interface PlannedModel {
  readonly spec: WorkerSpec;
  readonly gpuUuids: readonly string[];
  /** The share of the GPU's memory that this worker will insist on. */
  readonly utilization: number;
  readonly choice: Choice;
  /** What was chosen from. */
  readonly basis: { readonly model: AskedModel; readonly profile: GpuProfile; readonly card: CardFacts };
  /** Why it cannot run there, in plain words; null when it can. */
  readonly refusal: string | null;
  readonly swap: SwapRules;
}

/** null where it is no number. */
export function numberIn(engine: EngineSettings, key: string): number | null {
  const value = engine[key];
  return typeof value === 'number' ? value : null;
}

/** How many GPUs a worker with it takes. */
export function gpusFor(choice: Choice): number {
  return choice.kind === 'run' ? gpusOf(choice.engine) : 1;
}

/** Main memory gives some 10 GiB a second, a disk about 0.5. */
function wakeEstimateMs(level: SleepLevel, choice: Choice): number {
  const weightsGib = (choice.kind === 'run' && choice.weightsGib) || 10;
  return 1000 + weightsGib * (level === 1 ? 100 : 2000);
}

/** Python and CUDA take some 20 s, reading weights about 2 s a GiB, the first compilation a minute. */
function startEstimateMs(engine: 'vllm' | 'sim', choice: Choice): number {
  if (engine === 'sim') return 5000;
  const weightsGib = (choice.kind === 'run' && choice.weightsGib) || 10;
  return 80_000 + weightsGib * 2000;
}

/** What a planned model depends on besides what was chosen for it. */
export interface WorkerContext {
  readonly settings: Settings;
  readonly surroundings: Surroundings;
  readonly profile: GpuProfile;
  readonly decision: EngineDecision;
  /** Of this worker, for this model. None: the simulated engine has a pretended card to itself. */
  readonly gpus: readonly GpuReading[];
  readonly modelId: string;
  readonly swap: SwapRules;
}

/** `id`: of its worker. */
export function planModel(context: WorkerContext, model: AskedModel, choice: Choice, card: CardFacts, id: string): PlannedModel {
  const { decision, surroundings, profile, gpus, swap } = context;
  const gpuUuids = gpus.map(({ uuid }) => uuid);
  const driverVersion = gpus[0]?.driverVersion ?? null;
  const setup = choice.kind === 'run' ? toSetup(context, choice) : null;
  const limits = choice.kind === 'run' ? ladderLimits(model.profile, card, choice, knownFlags(context)) : null;
  const spec: WorkerSpec = {
    id,
    profile: profile.name,
    engine: decision.engine,
    modelId: model.id,
    source: choice.kind === 'run' ? choice.source : (model.source ?? model.id),
    startEstimateMs: startEstimateMs(decision.engine, choice),
    wakeEstimateMs: wakeEstimateMs(swap.sleep ?? 1, choice),
    weightsGib: choice.kind === 'run' ? choice.weightsGib : null,
    sleep: swap.sleep,
    instancePrefix: workerPrefix(surroundings.stateDir, id, model.id),
    gpuUuids,
    driverVersion,
    fingerprint: fingerprint({ model: model.id, command: command(context), setup, gpuUuids }),
    wanted: setup && limits ? { setup, limits } : null,
    plan: (port, instanceId, relaxed) =>
      choice.kind === 'run' && setup ? planWorker(context, relaxed ?? setup, port, instanceId) : (choice as Plan),
  };
  return {
    spec,
    gpuUuids,
    utilization: (choice.kind === 'run' && numberIn(choice.engine, 'gpu_memory_utilization')) || DEFAULT_UTILIZATION,
    choice,
    basis: { model, profile, card },
    refusal: choice.kind === 'refused' ? choice.reason : null,
    swap,
  };
}

function toSetup({ surroundings, swap }: WorkerContext, choice: Extract<Choice, { kind: 'run' }>): Setup {
  // What the operator has set in the environment is meant.
  const env = Object.fromEntries(Object.entries(choice.env).filter(([name]) => surroundings.env[name] === undefined));
  return { source: choice.source, engine: swap.sleep === null ? choice.engine : { ...choice.engine, enable_sleep_mode: true }, env };
}

function command({ decision, settings }: WorkerContext): readonly string[] {
  return decision.engine === 'sim' ? simCommand() : settings.supervisor.vllm_command;
}

function knownFlags({ decision, surroundings }: WorkerContext): ReadonlySet<string> | null {
  return decision.engine === 'sim' ? null : (surroundings.vllm?.flags ?? null);
}

function planWorker(context: WorkerContext, setup: Setup, port: number, instanceId: string): Plan {
  const { settings, surroundings, profile, decision, gpus, modelId, swap } = context;
  const launch = planLaunch({
    engine: decision.engine,
    command: command(context),
    modelId,
    source: setup.source,
    settings: setup.engine,
    port,
    shutdownTimeoutSeconds: Math.ceil(settings.shutdown.grace_ms / 1000),
    startTimeoutSeconds: Math.ceil(settings.supervisor.start_timeout_ms / 1000),
    instanceId,
    scratchEnv: scratchVariables(scratchFolder(surroundings.stateDir, instanceId), surroundings.env),
    gpuUuids: gpus.map(({ uuid }) => uuid),
    simulatedGpu: profile.simulated_as ?? (profile.memory_gib === null ? null : profile.name),
    profileEnv: setup.env,
    developmentMode: swap.sleep !== null,
    knownFlags: knownFlags(context),
    baseEnv: surroundings.env,
    secrets: secretsOf(settings),
    cwd: surroundings.cwd,
  });
  return { kind: 'run', launch };
}

/** Keys that are Headgate's own business. */
function secretsOf({ admin, auth, workers }: Settings): ReadonlySet<string> {
  return new Set([admin.key, ...auth.keys.map(({ key }) => key), ...workers.map(({ api_key }) => api_key)].filter((key) => key !== null));
}

/** The simulated engine lies beside this file, as a source or built, and runs on the Node that runs us. */
function simCommand(): string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return [process.execPath, fileURLToPath(new URL(`../sim/main.${extension}`, import.meta.url)), 'serve'];
}
