import { resolve } from 'node:path';
import { learnModels } from '../../supervisor/plan/model-facts.ts';
import { type FleetPlan, type Surroundings, planFleet } from '../../supervisor/plan/plan.ts';
import type { GpuReading } from '../../supervisor/gpu/gpu.ts';
import { visibleGpus } from '../../supervisor/gpu/visible.ts';
import { missingEngine } from '../../supervisor/plan/missing-engine.ts';
import type { SettingsFinding } from '../../supervisor/plan/settings-findings.ts';
import { missingNames, wrongFlags } from '../../supervisor/plan/settings-findings.ts';
import { profileFolders } from '../../supervisor/profile/folders.ts';
import { ProfileError, readProfiles } from '../../supervisor/profile/profile.ts';
import { obstacleToWriting, openToOthers } from '../../supervisor/system/state-folder.ts';
import { checkCommand } from '../../gateway/config/check.ts';
import { knowsKubernetes } from '../../gateway/config/kubernetes-place.ts';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import { isOver } from '../../gateway/config/schema/client-keys.ts';
import type { Path } from '../../gateway/config/schema/origins.ts';
import { originWhere, pathText } from '../../gateway/config/schema/origins.ts';
import { problemText, SettingsError } from '../../gateway/config/schema/problems.ts';
import type { SettingsProblem } from '../../gateway/config/schema/problems.ts';
import { type ModelSettings, type Settings, supervisorIsOn } from '../../gateway/config/schema/settings.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { cardsOf } from './cards.ts';
import { readCommandLine } from './line/command-line.ts';

/**
 * `headgate check`: what is wrong with the settings wherever they are used is an error. What only this machine's GPU cannot do is a
 * warning: settings are often checked where they are written, not where they run. A profile that they name is part of them.
 */
export async function check(argv: readonly string[]): Promise<number> {
  // What is sound beside a mistake is examined too: every mistake is to be told at once.
  const line = readCommandLine('check', argv, { tolerant: 'silently' });
  if (line.kind === 'ended') return line.exitCode;
  const { loaded, cwd } = line;
  const isOn = supervisorIsOn(loaded.settings);
  const { problems: found, warnings: doubts } = isOn ? await examineModels(loaded, cwd) : NOTHING;
  const problems = [...line.problems, ...found];
  const keys = keysThatAreOver(loaded);
  const cluster = clusterHere(loaded);
  const warnings = isOn
    ? [...keys, ...doubts, ...(await missingHere(loaded, cwd)), ...folderHere(loaded, cwd)]
    : [...keys, ...cluster, ...doubts];
  const result = checkCommand(
    problems.length > 0
      ? new SettingsError(inOrder(problems))
      : { ...loaded, warnings: [...loaded.warnings, ...warnings.map(problemText)] },
  );
  const out = result.exitCode === 0 ? process.stdout : process.stderr;
  const beside = problems.length === 0 ? [] : warnings.map((warning) => `warning: ${problemText(warning)}\n`);
  out.write(`${beside.join('')}${result.text.trimEnd()}\n`);
  return result.exitCode;
}

/** That workers are looked for in a cluster, and that there is none here. */
function clusterHere(loaded: LoadedSettings): SettingsProblem[] {
  const { workers } = loaded.settings;
  const index = workers.findIndex(({ kubernetes }) => kubernetes !== null);
  if (index < 0 || knowsKubernetes(loaded.settings, process.env)) return [];
  return [at(loaded, ['workers', index, 'kubernetes'], 'this is no pod of a cluster: elsewhere it takes discovery.kubernetes.api')];
}

/** Keys of clients that are not taken any more. */
function keysThatAreOver(loaded: LoadedSettings): SettingsProblem[] {
  const now = systemClock.wall();
  return loaded.keys
    .filter((key) => isOver(key, now))
    .map(({ name, expires_at: at }) => ({ where: 'keys', path: '', message: `the key ${name} was good until ${at}, which is over` }));
}

/** File by file, each from its top, and then environment and flags. */
function inOrder(problems: readonly SettingsProblem[]): readonly SettingsProblem[] {
  const isFile = ({ where }: SettingsProblem) => !/^(environment|flag) /.test(where);
  const byPlace = problems.toSorted((a, b) => a.where.localeCompare(b.where, 'en', { numeric: true }));
  return [...byPlace.filter(isFile), ...byPlace.filter((problem) => !isFile(problem))];
}

interface Examined {
  readonly problems: readonly SettingsProblem[];
  readonly warnings: readonly SettingsProblem[];
}

const NOTHING: Examined = { problems: [], warnings: [] };

/** What is wrong with profiles, tuning and models that the settings name, whatever GPUs there are. */
export function examineAnywhere(loaded: LoadedSettings, cwd: string): readonly SettingsProblem[] {
  return supervisorIsOn(loaded.settings) ? [...examineOn(loaded, cwd, []).problems, ...examineFlags(loaded, cwd).problems] : [];
}

/** Whether profiles, tuning and models of the settings are there, and whether the models can run. */
async function examineModels(loaded: LoadedSettings, cwd: string): Promise<Examined> {
  const facts = await learned(loaded, cwd);
  const flags = examineFlags(loaded, cwd);
  const planned = examineOn(loaded, cwd, [], facts);
  const anywhere = { problems: [...planned.problems, ...flags.problems], warnings: [...planned.warnings, ...flags.warnings] };
  const { models, supervisor } = loaded.settings;
  // The default model suits every card, and one that the settings name is known without looking.
  if (anywhere.problems.length > 0 || models.length === 0 || supervisor.profile !== 'auto') return anywhere;
  const here = examineOn(loaded, cwd, await gpusHere(loaded, cwd), facts);
  return { problems: [], warnings: [...here.problems, ...here.warnings, ...flags.warnings] };
}

/** Models that cannot work on these GPUs, and those that may not; without GPUs, on the profile that the settings name. */
function examineOn(loaded: LoadedSettings, cwd: string, gpus: readonly GpuReading[], facts?: Facts): Examined {
  const problems: SettingsProblem[] = [];
  try {
    const read = readProfiles(profileFolders(loaded.settings, cwd));
    const missing = missingNames(loaded.settings, read);
    problems.push(...read.problems, ...missing.map(({ path, message }) => at(loaded, path, message)));
    const place = { ...placeOf(loaded, cwd), ...(facts && { facts }) };
    const examined = examinePlan(loaded, (settings) => planFleet(settings, read.profiles, gpus, place), missing);
    return { problems: [...problems, ...examined.problems], warnings: examined.warnings };
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    // What is wrong already may be why nothing can be planned.
    return { problems: problems.length > 0 ? problems : [placed(loaded, error.message)], warnings: [] };
  }
}

/** Flags that no vLLM has, or not with such a value: in the settings, at their place, and in profiles. */
function examineFlags(loaded: LoadedSettings, cwd: string): Examined {
  const own = wrongFlags(loaded.settings);
  const told = (isSure: boolean) =>
    own.filter((finding) => finding.isSure === isSure).map(({ path, message }) => at(loaded, path, message));
  try {
    return { problems: [...told(true), ...readProfiles(profileFolders(loaded.settings, cwd)).unknownFlags], warnings: told(false) };
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    return { problems: told(true), warnings: told(false) };
  }
}

function placeOf({ settings }: LoadedSettings, cwd: string): Surroundings {
  return { cwd, env: process.env, stateDir: resolve(cwd, settings.supervisor.state_dir) };
}

/** The models that can be planned, however wrong others are. */
function examinePlan(loaded: LoadedSettings, plan: (settings: Settings) => FleetPlan, missing: readonly SettingsFinding[]): Examined {
  const problems: SettingsProblem[] = [];
  const warnings: SettingsProblem[] = [];
  const { settings } = loaded;
  const isMissing = (...path: Path) => missing.some((finding) => pathText(finding.path) === pathText(path));
  const wrong = wrongFlags(settings).filter(({ isSure }) => isSure);
  // Told at its own place; it must not hide what else is wrong with its model.
  const withoutWrong = (model: ModelSettings, index: number): ModelSettings => {
    const keys = wrong.filter((flag) => flag.index === index).map(({ key }) => key);
    return keys.length === 0
      ? model
      : { ...model, engine: Object.fromEntries(Object.entries(model.engine).filter(([key]) => !keys.includes(key))) };
  };
  const isKnown = ([index, { pool }]: [number, ModelSettings]): boolean => pool === null && !isMissing('models', index, 'id');
  const known = [...settings.models.map(withoutWrong).entries()].filter(isKnown);
  const supervisor = {
    ...settings.supervisor,
    ...(isMissing('supervisor', 'profile') ? { profile: 'auto' } : {}),
    ...(isMissing('supervisor', 'tuning') ? { tuning: 'balanced' } : {}),
  };
  const { choices } = plan({ ...settings, supervisor, models: known.map(([, model]) => model) });
  for (const [nth, [index, { id }]] of known.entries()) {
    const choice = choices[nth];
    if (choice?.kind === 'refused') problems.push(at(loaded, ['models', index, 'id'], choice.reason));
    else if (choice?.fit?.verdict === 'no') warnings.push(at(loaded, ['models', index, 'id'], `${id} may not fit. ${choice.fit.reason}`));
    if (choice?.kind === 'run' && choice.doubt) warnings.push(at(loaded, ['models', index, 'id'], choice.doubt.text));
  }
  return { problems, warnings };
}

/** That there is a GPU and no engine for it, at the setting that leaves the engine open. */
async function missingHere(loaded: LoadedSettings, cwd: string): Promise<SettingsProblem[]> {
  const alive = stayAlive();
  try {
    const { cards, env } = cardsOf(loaded.settings, process.env, cwd, false);
    const missing = await missingEngine(loaded.settings, cards, { cwd, env });
    return missing === null ? [] : [at(loaded, ['supervisor', 'engine'], missing)];
  } finally {
    alive.cancel();
  }
}

type Facts = NonNullable<Surroundings['facts']>;

/** What the hub says of models that no profile describes; nothing where the profiles cannot be read. */
async function learned({ settings }: LoadedSettings, cwd: string): Promise<Facts> {
  const alive = stayAlive();
  try {
    return await learnModels(settings, readProfiles(profileFolders(settings, cwd)).profiles, { cwd, env: process.env, clock: systemClock });
  } catch (error) {
    if (error instanceof ProfileError) return new Map();
    throw error;
  } finally {
    alive.cancel();
  }
}

/** What is wrong on this machine with the folder that a supervisor would keep its state in. */
function folderHere(loaded: LoadedSettings, cwd: string): SettingsProblem[] {
  const folder = resolve(cwd, loaded.settings.supervisor.state_dir);
  const told = [obstacleToWriting(folder), openToOthers(folder)].filter((each) => each !== null);
  return told.map((each) => at(loaded, ['supervisor', 'state_dir'], each));
}

async function gpusHere({ settings }: LoadedSettings, cwd: string): Promise<readonly GpuReading[]> {
  // One that hangs is given up by a timer, which alone would not keep us running.
  const alive = stayAlive();
  try {
    return visibleGpus(await cardsOf(settings, process.env, cwd, false).cards.read(), process.env['CUDA_VISIBLE_DEVICES']);
  } finally {
    alive.cancel();
  }
}

/** That a profile or a model is not there, at the setting that names it. */
function placed(loaded: LoadedSettings, message: string): SettingsProblem {
  const [, name = 'profiles', rest = message] = /^([^:\n]+):\s*(.*)$/s.exec(message) ?? [];
  if (name.startsWith('supervisor.')) return at(loaded, name.split('.'), rest);
  const index = loaded.settings.models.findIndex(({ id }) => rest.startsWith(`there is no ${id} `));
  return at(loaded, index < 0 ? ['models'] : ['models', index, 'id'], rest);
}

function at({ origins }: LoadedSettings, path: Path, message: string): SettingsProblem {
  const origin = origins.get(pathText(path)) ?? { kind: 'default' };
  return { where: originWhere(origin), path: pathText(path), message };
}
