import { fileURLToPath } from 'node:url';
import type { Settings } from '../gateway/config/settings.ts';
import type { SupervisedModel } from '../gateway/core/supervision.ts';
import type { EngineDecision } from './detect.ts';
import { chooseEngineKind, chooseGpuProfile, chooseTuning } from './detect.ts';
import type { CardFacts, Choice } from './engine-settings.ts';
import { chooseEngine } from './engine-settings.ts';
import { cudaTotalBytes } from './gpu-memory.ts';
import type { GpuReading } from './gpu.ts';
import { workerPrefix } from './instance-id.ts';
import { planLaunch } from './launch.ts';
import { askedModels, toSupervisedModel } from './model-request.ts';
import { place as placeWorkers } from './placement.ts';
import type { EngineSettings, GpuProfile, Profiles, Tuning } from './profile.ts';
import { findProgram } from './program.ts';
import type { Plan, WorkerSpec } from './worker.ts';

/** Where and as whom the supervisor runs. */
export interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly stateDir: string;
}

/** Everything that is decided before anything is started. */
export interface FleetPlan {
  readonly decision: EngineDecision;
  readonly profile: GpuProfile;
  readonly tuning: Tuning;
  /** The first is the default. */
  readonly models: readonly SupervisedModel[];
  readonly workers: readonly PlannedWorker[];
}

export interface PlannedWorker {
  readonly spec: WorkerSpec;
  readonly gpuUuids: readonly string[];
  /** The share of the GPU's memory that this worker will insist on. */
  readonly utilization: number;
}

const DEFAULT_UTILIZATION = 0.92;

/** Decides on engine, profile, models and workers. @throws ProfileError when the settings ask for what is not there. */
export function planFleet(settings: Settings, profiles: Profiles, gpus: readonly GpuReading[], place: Place): FleetPlan {
  const wanted = settings.supervisor;
  const vllm = findProgram(wanted.vllm_command[0] ?? 'vllm', place.env, place.cwd);
  const decision = chooseEngineKind(wanted.engine, gpus, vllm);
  const profile = chooseGpuProfile(profiles, wanted.profile, gpus);
  const tuning = chooseTuning(profiles, wanted.tuning);
  const asked = askedModels(settings, profiles, profile);
  const [first] = asked;

  const choose = (model: (typeof asked)[number], gpu: GpuReading | undefined) =>
    chooseEngine(model, profile, tuning, cardFacts(profile, gpu));
  const models = asked.map((model) => {
    const choice = choose(model, gpus[0]);
    return choice.kind === 'run'
      ? toSupervisedModel(model, choice.source, numberIn(choice.engine, 'max_model_len'))
      : toSupervisedModel(model, model.source ?? model.id, null);
  });

  // The simulated engine has a pretended card to itself.
  const cards = decision.engine === 'vllm' ? gpus : [];
  const workers = placeWorkers(wanted.replicas, gpusEach(first.engine), cards).map(({ gpus: own, sharers }, index): PlannedWorker => {
    const choice = shareCard(choose(first, own[0]), sharers);
    const id = `worker-${index + 1}`;
    const gpuUuids = own.map(({ uuid }) => uuid);
    const context = { settings, place, profile, decision, gpuUuids, modelId: first.id };
    const spec: WorkerSpec = {
      id,
      profile: profile.name,
      engine: decision.engine,
      modelId: first.id,
      source: choice.kind === 'run' ? choice.source : (first.source ?? first.id),
      capabilities: first.profile?.capabilities ?? ['chat'],
      startEstimateMs: startEstimateMs(decision.engine, choice),
      instancePrefix: workerPrefix(place.stateDir, id),
      plan: (port, instanceId) => planWorker(context, choice, port, instanceId),
    };
    const utilization = (choice.kind === 'run' && numberIn(choice.engine, 'gpu_memory_utilization')) || DEFAULT_UTILIZATION;
    return { spec, gpuUuids, utilization };
  });
  return { decision, profile, tuning, models, workers };
}

/** How many GPUs one worker of a model spreads over. */
function gpusEach(engine: EngineSettings): number {
  return (numberIn(engine, 'tensor_parallel_size') ?? 1) * (numberIn(engine, 'pipeline_parallel_size') ?? 1);
}

function cardFacts(profile: GpuProfile, gpu: GpuReading | undefined): CardFacts {
  return {
    memoryGib: profile.memory_gib ?? (gpu ? cudaTotalBytes(gpu) / 2 ** 30 : null),
    computeCap: gpu?.computeCap ?? profile.compute_cap,
    display: gpu?.display ?? false,
  };
}

function shareCard(choice: Choice, sharers: number): Choice {
  if (choice.kind === 'refused' || sharers <= 1) return choice;
  const whole = numberIn(choice.engine, 'gpu_memory_utilization') ?? DEFAULT_UTILIZATION;
  return { ...choice, engine: { ...choice.engine, gpu_memory_utilization: Math.floor((whole / sharers) * 100) / 100 } };
}

function numberIn(engine: EngineSettings, key: string): number | null {
  const value = engine[key];
  return typeof value === 'number' ? value : null;
}

/** Python and CUDA take some 20 s, reading weights about 2 s a GiB, the first compilation a minute. */
function startEstimateMs(engine: 'vllm' | 'sim', choice: Choice): number {
  if (engine === 'sim') return 5000;
  const weightsGib = (choice.kind === 'run' && choice.weightsGib) || 10;
  return 80_000 + weightsGib * 2000;
}

interface WorkerContext {
  readonly settings: Settings;
  readonly place: Place;
  readonly profile: GpuProfile;
  readonly decision: EngineDecision;
  readonly gpuUuids: readonly string[];
  readonly modelId: string;
}

function planWorker(context: WorkerContext, choice: Choice, port: number, instanceId: string): Plan {
  if (choice.kind === 'refused') return choice;
  const { settings, place, profile, decision, gpuUuids, modelId } = context;
  const launch = planLaunch({
    engine: decision.engine,
    command: decision.engine === 'sim' ? simCommand() : settings.supervisor.vllm_command,
    modelId,
    source: choice.source,
    settings: choice.engine,
    port,
    shutdownTimeoutSeconds: Math.ceil(settings.shutdown.grace_ms / 1000),
    startTimeoutSeconds: Math.ceil(settings.supervisor.start_timeout_ms / 1000),
    instanceId,
    gpuUuids,
    simulatedGpu: profile.memory_gib === null ? null : profile.name,
    profileEnv: profile.env,
    baseEnv: place.env,
    cwd: place.cwd,
  });
  return { kind: 'run', launch };
}

/** The simulated engine lies beside this file, as a source or built, and runs on the Node that runs us. */
function simCommand(): string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return [process.execPath, fileURLToPath(new URL(`./sim/main.${extension}`, import.meta.url)), 'serve'];
}
