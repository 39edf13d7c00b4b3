import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSecretName } from '../../gateway/core/secrets/data.ts';
import { REDACTED, withoutSecrets } from '../../gateway/core/secrets/text.ts';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { Clock } from '../../gateway/core/clock.ts';
import { examineGpus, memoryObstacle } from './gpu.ts';
import { describeCommand, examineModel } from './models.ts';
import type { DoctorReport, ProfileFinding } from './report.ts';
import { examineState } from './state.ts';
import type { Choice } from '../plan/engine-choice.ts';
import { DEFAULT_UTILIZATION } from '../fit/flags.ts';
import type { FleetPlan } from '../plan/plan.ts';
import { planFleet } from '../plan/plan.ts';
import type { ComputeApp, GpuReading } from '../gpu/gpu.ts';
import { NvidiaSmi } from '../gpu/gpu.ts';
import { usableGpus, visibleGpus } from '../gpu/visible.ts';
import type { GpuProfile, Profiles } from '../profile/profile.ts';
import { loadProfiles } from '../profile/profile.ts';
import { removedVariables } from '../profile/removed-flags.ts';
import { inspectVllm, VLLM_CACHE_FILE, type VllmInstall } from '../engine/vllm-install.ts';
import { isOlder } from '../../gateway/vllm/version.ts';
import { describeChanges } from '../fit/advice.ts';
import { fileStem, ladderFile } from '../system/file-name.ts';
import type { Relaxation } from '../ladder/step.ts';
import { relax, summarize } from '../ladder/step.ts';
import { howToReset, ladderRecord } from '../worker/ladder.ts';

interface DoctorIo {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Folders to look for nvidia-smi in after the PATH. Default: where WSL and Kubernetes keep it. */
  readonly smiFolders?: readonly string[];
}

/**
 * Looks at everything a start depends on, and starts nothing: GPUs, driver, vLLM, profile, how each model fits, the command that would
 * be run, folder, ports and leftovers. @throws ProfileError when the settings ask for what is not there.
 */
export async function examine(settings: Settings, io: DoctorIo): Promise<DoctorReport> {
  const { cwd, env, clock } = io;
  const profiles = loadProfiles();
  const smi = new NvidiaSmi(clock, env, io.smiFolders);
  const survey = await smi.survey();
  const apps = survey.gpus.length === 0 ? [] : await smi.apps();
  const gpus = visibleGpus(survey.gpus, env['CUDA_VISIBLE_DEVICES']);
  const stateDir = resolve(cwd, settings.supervisor.state_dir);
  const cacheFile = existsSync(stateDir) ? join(stateDir, VLLM_CACHE_FILE) : null;
  const vllm = await inspectVllm({ command: settings.supervisor.vllm_command, env, cwd, cacheFile, clock });

  const place = { cwd, env, stateDir, vllm };
  const actual = planFleet(settings, profiles, gpus, place);
  const shown = shownPlan(settings, profiles, actual, (asked) => planFleet(asked, profiles, gpus, place));
  const kept = keptSteps(actual, stateDir);
  const port = Math.min(...settings.supervisor.port_range);
  const models = shown.choices.map((choice, index) => {
    const id = shown.models[index]?.id ?? '';
    return examineModel(id, index < actual.models.length, choice, commandFor(shown, id, kept.get(id) ?? [], port, env));
  });

  const state = await examineState(settings, cwd);
  const card = examineGpus(survey, apps, vllm?.cuda ?? null);
  const [first] = shown.choices;
  const busy = state.finding.supervisor_running ? [] : busyMemory(shown, first, usableGpus(gpus), apps);
  const engine = engineFindings(settings, actual, vllm, gpus.length > 0);
  const problems = [...card.problems, ...engine.problems, ...refusals(first), ...busy, ...state.problems];
  return {
    ok: problems.length === 0,
    problems,
    warnings: [
      ...card.warnings,
      ...engine.warnings,
      ...doubts(first, env),
      ...relaxed(kept, actual),
      ...state.warnings,
      ...removedVariables(env),
    ],
    gpus: card.findings,
    engine: { kind: actual.decision.engine, reason: actual.decision.reason },
    vllm: vllm && { path: vllm.path, version: vllm.version, cuda: vllm.cuda, flags: vllm.flags?.size ?? null },
    profile: profileFinding(shown),
    models,
    command: models[0]?.command ?? null,
    state: state.finding,
  };
}

/**
 * The plan to show: for every model of the registry after those that are wanted, and for vLLM wherever there is a card to run it on,
 * or one that the settings name, even if vLLM itself is still missing.
 */
function shownPlan(settings: Settings, profiles: Profiles, actual: FleetPlan, plan: (settings: Settings) => FleetPlan): FleetPlan {
  const named = settings.models.length > 0 ? settings.models : actual.models.map(({ id }) => asked(id));
  // Models that nobody has asked for take no turns, and neither does one that is alone.
  const wanted = named.length > 1 ? named : named.map((model) => ({ ...model, swap: COLD }));
  const others = [...profiles.models.keys()].filter((name) => !wanted.some(({ id }) => id === name)).map(asked);
  const isReal = actual.profile.name !== 'none' && settings.supervisor.engine !== 'sim';
  const engine = isReal ? 'vllm' : actual.decision.engine;
  return plan({ ...settings, models: [...wanted, ...others], supervisor: { ...settings.supervisor, engine } });
}

function asked(id: string): Settings['models'][number] {
  return { id, source: null, aliases: [], engine: {}, swap: COLD };
}

const COLD: Settings['models'][number]['swap'] = { strategy: 'cold', sleep_level: null, dwell_ms: null, idle_unload_ms: null };

/** What was relaxed for the first worker's models after failures, and still is, by model. */
function keptSteps({ workers, models }: FleetPlan, stateDir: string): ReadonlyMap<string, readonly Relaxation[]> {
  const steps = [...(workers[0]?.models ?? [])].map(([id, { spec }]) => {
    const file = ladderFile(stateDir, fileStem(models[0]?.id, spec));
    return [id, ladderRecord(spec, file).load().footing.steps] as const;
  });
  return new Map(steps.filter(([, { length }]) => length > 0));
}

/** What would be run for a model on the first worker's cards, with what was relaxed for it; null when it is refused. */
function commandFor({ workers }: FleetPlan, id: string, steps: readonly Relaxation[], port: number, env: DoctorIo['env']) {
  const spec = workers[0]?.models.get(id)?.spec;
  const setup = spec?.wanted && steps.length > 0 ? relax(spec.wanted.setup, steps) : undefined;
  const launch = spec?.plan(port, 'doctor', setup);
  return launch?.kind === 'run' ? describeCommand(launch.launch, env) : null;
}

function relaxed(kept: ReadonlyMap<string, readonly Relaxation[]>, { workers, models }: FleetPlan): string[] {
  return [...kept].map(([id, steps]) => {
    const what = models.length === 1 ? 'it' : id;
    return `After failures ${what} starts with ${describeChanges(summarize(steps))}; ${howToReset(workers[0]?.spec.id ?? '')}.`;
  });
}

function busyMemory(plan: FleetPlan, choice: Choice | undefined, gpus: readonly GpuReading[], apps: readonly ComputeApp[]): string[] {
  if (plan.decision.engine !== 'vllm' || choice?.kind !== 'run') return [];
  const least = choice.fit?.leastUtilization ?? null;
  const used = new Map(plan.workers.flatMap(({ gpuUuids, utilization }) => gpuUuids.map((uuid) => [uuid, utilization] as const)));
  return gpus.flatMap((gpu) => {
    const utilization = used.get(gpu.uuid);
    return utilization === undefined ? [] : (memoryObstacle(gpu, utilization, least, apps) ?? []);
  });
}

function refusals(choice: Choice | undefined): string[] {
  if (choice?.kind === 'refused') return [choice.reason];
  return choice?.fit?.verdict === 'no' ? [choice.fit.reason] : [];
}

function doubts(choice: Choice | undefined, env: DoctorIo['env']): string[] {
  if (choice?.kind !== 'run') return [];
  const token = env['HF_TOKEN'] ?? env['HUGGING_FACE_HUB_TOKEN'];
  const gated = choice.variant?.gated === true && token === undefined;
  return [
    ...(choice.fit?.verdict === 'tight' ? [choice.fit.reason] : []),
    ...(gated ? [`${choice.source} is gated: accept its licence and set HF_TOKEN, unless a token is stored already.`] : []),
  ];
}

function engineFindings(settings: Settings, plan: FleetPlan, vllm: VllmInstall | null, hasGpu: boolean) {
  const problems: string[] = [];
  const warnings: string[] = [];
  const command = settings.supervisor.vllm_command[0] ?? 'vllm';
  const isMissing = `There is no program ${command}: install vLLM (pip install vllm), or give its path in supervisor.vllm_command.`;
  if (vllm === null && settings.supervisor.engine === 'vllm') problems.push(isMissing);
  if (vllm === null && settings.supervisor.engine === 'auto' && hasGpu) warnings.push(isMissing);
  if (settings.supervisor.engine === 'vllm' && !hasGpu) problems.push('supervisor.engine is vllm, and there is no GPU to run it on.');
  const { from, below } = plan.profile.vllm;
  const version = vllm?.version ?? null;
  if (from !== undefined && isOlder(version, from) === true)
    warnings.push(`vLLM ${version} is older than ${from}, for which the profile ${plan.profile.name} was written: update it.`);
  if (below !== undefined && isOlder(version, below) === false)
    warnings.push(`vLLM ${version} is newer than the profile ${plan.profile.name} was written for (below ${below}).`);
  if (vllm !== null && vllm.flags === null) warnings.push('vLLM did not tell its flags, so they are not checked before a start.');
  return { problems, warnings };
}

function profileFinding(plan: FleetPlan): ProfileFinding {
  const { profile, profileReason, tuning } = plan;
  return { name: profile.name, title: profile.title, reason: profileReason, tuning: tuning.name, values: profileValues(profile) };
}

function profileValues({ engine, env, why }: GpuProfile): ProfileFinding['values'] {
  return [...Object.entries(engine), ...Object.entries(env)].map(([setting, value]) => ({
    setting,
    value: isSecretName(setting) ? REDACTED : withoutSecrets(typeof value === 'object' ? JSON.stringify(value) : String(value)),
    why: setting === 'gpu_memory_utilization' && value === DEFAULT_UTILIZATION ? 'as vLLM does by itself' : (why[setting] ?? null),
  }));
}
