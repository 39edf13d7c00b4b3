import { fileURLToPath } from 'node:url';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { KnownModel } from '../../gateway/link/snapshot.ts';
import type { EngineDecision } from './detect.ts';
import { chooseEngineKind, chooseTuning, decideGpuProfile } from './detect.ts';
import type { Choice } from './engine-choice.ts';
import { chooseEngine } from './engine-choice.ts';
import type { CardFacts } from '../fit/settings.ts';
import { DEFAULT_UTILIZATION } from '../fit/flags.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import { gpusOf } from '../profile/mode.ts';
import { usableGpus } from '../gpu/visible.ts';
import { fingerprint, workerPrefix } from '../system/instance-id.ts';
import { ladderLimits } from '../ladder/limits.ts';
import type { Setup } from '../ladder/step.ts';
import { planLaunch } from '../engine/launch.ts';
import type { AskedModel } from './model-request.ts';
import { askedModels, toKnownModel } from './model-request.ts';
import { readModelFiles } from '../engine/model-files.ts';
import { placeWorkers } from './placement.ts';
import type { EngineSettings, GpuProfile, Profiles, Tuning } from '../profile/profile.ts';
import { stepFacts, withSteps } from '../profile/match.ts';
import { findProgram } from '../system/program.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';
import type { SwapRules } from './swap-rules.ts';
import { feasible, reservedGib, swapRules } from './swap-rules.ts';
import type { VllmInstall } from '../engine/vllm-install.ts';
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
}

/** Everything that is decided before anything is started. */
export interface FleetPlan {
  readonly decision: EngineDecision;
  /** With its steps laid over it. */
  readonly profile: GpuProfile;
  /** In plain words. */
  readonly profileReason: string;
  readonly tuning: Tuning;
  /** The first is the default. */
  readonly models: readonly KnownModel[];
  /** What would run for each of them, in the same order, on the first GPU. */
  readonly choices: readonly Choice[];
  readonly workers: readonly PlannedWorker[];
}

/** One model on one worker's GPUs. */
export interface PlannedModel {
  readonly spec: WorkerSpec;
  readonly gpuUuids: readonly string[];
  /** The share of the GPU's memory that this worker will insist on. */
  readonly utilization: number;
  /** Why it cannot run there, in plain words; null when it can. */
  readonly refusal: string | null;
  readonly swap: SwapRules;
}

/** The first model on a worker's GPUs, and what else may take its turn there. */
export interface PlannedWorker extends PlannedModel {
  /** By id, the first among them. */
  readonly models: ReadonlyMap<string, PlannedModel>;
  /** How many of them may sleep at a time. */
  readonly maxAsleep: number;
}

/** Decides on engine, profile, models and workers. @throws ProfileError when the settings ask for what is not there. */
export function planFleet(settings: Settings, profiles: Profiles, found: readonly GpuReading[], surroundings: Surroundings): FleetPlan {
  const wanted = settings.supervisor;
  const gpus = usableGpus(found);
  const vllmPath = surroundings.vllm?.path ?? findProgram(wanted.vllm_command[0] ?? 'vllm', surroundings.env, surroundings.cwd);
  const gpuProblem = surroundings.gpuProblem ?? found.find(({ fault }) => fault !== null)?.fault ?? null;
  const decision = chooseEngineKind(wanted.engine, gpus, vllmPath, gpuProblem);
  const named = decideGpuProfile(profiles, wanted.profile, gpus);
  const isPretended = decision.engine === 'sim';
  const facts = stepFacts(named.profile, gpus[0], isPretended, surroundings.vllm?.version ?? null);
  const profile = withSteps(named.profile, facts);
  const tuning = chooseTuning(profiles, wanted.tuning);
  const registered = askedModels(settings, profiles, profile);
  const asked = registered.map((model) => withFiles(model, surroundings));
  const first = asked[0] ?? registered[0];

  // The simulated engine has a pretended card to itself.
  const cards = isPretended ? [] : gpus;
  const count = Math.max(1, Math.floor(alike(cards) / wanted.replicas));
  const others = [...profiles.models.values()];
  const { vllm = null } = surroundings;
  const sleepConditions = { knownFlags: isPretended ? null : (vllm?.flags ?? null), env: { ...profile.env, ...surroundings.env } };
  const rules = new Map(
    asked.map((model) => {
      const wanted = swapRules(model.swap, model.profile, profile);
      // One that is alone never has to make room.
      return [model, asked.length > 1 ? feasible(wanted, { ...sleepConditions, alone: true }) : { ...wanted, sleep: null }] as const;
    }),
  );
  const factsFor = (model: AskedModel, gpu: GpuReading | undefined, sharers: number): CardFacts => {
    const others = [...rules].filter(([other, { sleep }]) => other !== model && sleep !== null).length;
    // Workers that share a card would each keep their sleepers on it: there are none.
    const kept = sharers > 1 ? 0 : reservedGib(others, profile.swap.max_asleep);
    return { ...cardFacts(profile, gpu, isPretended, count), reservedGib: kept, sharers };
  };
  const choose = (model: AskedModel, gpu: GpuReading | undefined, sharers: number): Choice => {
    const card = factsFor(model, gpu, sharers);
    return chooseEngine(model, profile, tuning, card, { others, vllm: isPretended ? null : (surroundings.vllm ?? null) });
  };
  const gpusEach = asked.map((model) => gpusFor(choose(model, gpus[0], 1)));
  const placed = placeWorkers(wanted.replicas, gpusEach[0] ?? 1, cards);
  const choices = asked.map((model) => withCards(choose(model, gpus[0], placed[0]?.sharers ?? 1), cards.length));
  const models = asked.map((model, index) => {
    const choice = choices[index];
    return choice?.kind === 'run'
      ? toKnownModel(model, choice.source, numberIn(choice.engine, 'max_model_len'))
      : toKnownModel(model, model.source ?? model.id, null);
  });

  const workers = placed.map(({ gpus: own, sharers }, index): PlannedWorker => {
    const id = `worker-${index + 1}`;
    const plan = (model: AskedModel, gpusOwn: readonly GpuReading[]): PlannedModel => {
      const card = gpusOwn[0] ?? gpus[0];
      const choice = withCards(choose(model, card, sharers), gpusOwn.length);
      const gpuUuids = gpusOwn.map(({ uuid }) => uuid);
      const swap = feasible(rules.get(model) ?? swapRules(null, null, profile), { ...sleepConditions, alone: sharers <= 1 });
      const driverVersion = gpusOwn[0]?.driverVersion ?? null;
      const context = { settings, surroundings, profile, decision, gpuUuids, driverVersion, modelId: model.id, swap };
      return planModel(context, model, choice, factsFor(model, card, sharers), id);
    };
    // Alone, a worker's next model may take more or fewer of the cards than the first; beside others it has to make do with its own.
    const spread = (nth: number) => (wanted.replicas === 1 ? (placeWorkers(1, gpusEach[nth] ?? 1, cards)[0]?.gpus ?? own) : own);
    const models = new Map(asked.map((model, nth) => [model.id, plan(model, nth === 0 ? own : spread(nth))] as const));
    return { ...(models.get(first.id) as PlannedModel), models, maxAsleep: profile.swap.max_asleep };
  });
  return { decision, profile, profileReason: named.reason, tuning, models, choices, workers };
}

/** A model that the registry does not know is known by its files, where they lie on this machine already. */
function withFiles(model: AskedModel, { cwd, env }: Surroundings): AskedModel {
  if (model.profile || model.source === null) return model;
  return { ...model, profile: readModelFiles(model.id, model.source, cwd, env) };
}

/** How many of the GPUs are like the first: only those can share a model evenly. */
function alike(gpus: readonly GpuReading[]): number {
  const [first] = gpus;
  return gpus.filter((gpu) => gpu.name === first?.name && gpu.memoryTotalBytes === first.memoryTotalBytes).length;
}

function cardFacts(profile: GpuProfile, gpu: GpuReading | undefined, isPretended: boolean, count: number): CardFacts {
  const { memoryGib, computeCap } = stepFacts(profile, gpu, isPretended, null);
  return { name: isPretended ? profile.title : (gpu?.name ?? profile.title), memoryGib, computeCap, display: gpu?.display ?? false, count };
}

function gpusFor(choice: Choice): number {
  return choice.kind === 'run' ? gpusOf(choice.engine) : 1;
}

/** `cards` are all that there are for it; 0: nobody has counted. */
function withCards(choice: Choice, cards: number): Choice {
  const needed = gpusFor(choice);
  if (choice.kind === 'refused' || !cards || needed <= cards) return choice;
  return { kind: 'refused', reason: `It needs ${needed} GPUs, and there ${cards === 1 ? 'is 1' : `are ${cards}`} for its worker.` };
}

function numberIn(engine: EngineSettings, key: string): number | null {
  const value = engine[key];
  return typeof value === 'number' ? value : null;
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

interface WorkerContext {
  readonly settings: Settings;
  readonly surroundings: Surroundings;
  readonly profile: GpuProfile;
  readonly decision: EngineDecision;
  readonly gpuUuids: readonly string[];
  readonly driverVersion: string | null;
  readonly modelId: string;
  readonly swap: SwapRules;
}

function planModel(context: WorkerContext, model: AskedModel, choice: Choice, card: CardFacts, id: string): PlannedModel {
  const { decision, surroundings, profile, gpuUuids, driverVersion, swap } = context;
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
  const { settings, surroundings, profile, decision, gpuUuids, modelId, swap } = context;
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
    gpuUuids,
    simulatedGpu: profile.simulated_as ?? (profile.memory_gib === null ? null : profile.name),
    profileEnv: setup.env,
    developmentMode: swap.sleep !== null,
    knownFlags: knownFlags(context),
    baseEnv: surroundings.env,
    cwd: surroundings.cwd,
  });
  return { kind: 'run', launch };
}

/** The simulated engine lies beside this file, as a source or built, and runs on the Node that runs us. */
function simCommand(): string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return [process.execPath, fileURLToPath(new URL(`../sim/main.${extension}`, import.meta.url)), 'serve'];
}
