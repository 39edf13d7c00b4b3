import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isAnswered } from '../gateway/link/ask-state.ts';
import { controlPath } from '../gateway/link/control-path.ts';
import { EXIT_FAILED, EXIT_INTERRUPTED_TWICE, EXIT_INVALID } from '../gateway/config/exit-codes.ts';
import type { Settings } from '../gateway/config/schema/settings.ts';
import { STARTED_BY_VARIABLE } from '../gateway/link/started-by.ts';
import { supervisionMark } from '../gateway/link/settings-mark.ts';
import type { Clock } from '../gateway/core/clock.ts';
import { systemClock } from '../gateway/core/clock.ts';
import { keepHistory } from '../gateway/core/history/keep-history.ts';
import { systemRandom } from '../gateway/core/random.ts';
import { findAdoptable, running } from './worker/adoption.ts';
import { ControlTaken, serveControl } from './control/control.ts';
import type { LookPatience } from './system/policy.ts';
import { firstLook } from './gpu/first-look.ts';
import { ClosableCards } from './fleet/closable-cards.ts';
import { listenForTheEnd } from './fleet/end.ts';
import { Fleet } from './fleet/fleet.ts';
import { learnModels } from './plan/model-facts.ts';
import { planFleet } from './plan/plan.ts';
import type { CardReader, GpuReading } from './gpu/gpu.ts';
import { NvidiaSmi } from './gpu/gpu.ts';
import { visibleGpus } from './gpu/visible.ts';
import { recallGpus, rememberGpus } from './gpu/known.ts';
import { endLeftovers } from './fleet/leftovers.ts';
import type { Log } from '../gateway/core/log/log.ts';
import { describeWorkers, logPlan, refusals, tellProblems } from './plan/log.ts';
import type { SupervisionPolicy } from './system/policy.ts';
import { supervisionPolicy } from './system/policy.ts';
import { ownProfiles, profileFolders } from './profile/folders.ts';
import { loadProfiles, ProfileError } from './profile/profile.ts';
import { findProgram } from './system/program.ts';
import { ownership } from './control/ownership.ts';
import { unreaped } from './system/init-process.ts';
import { obstacleToWriting, openToOthers } from './system/state-folder.ts';
import { lockState } from './control/state-lock.ts';
import { inspectVllm, VLLM_CACHE_FILE } from './engine/vllm-install.ts';
import { readRecords, recordsDirectory, runningEngines } from './engine/record.ts';

interface SupervisorIo {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Headgate's own, for whoever asks the control API. */
  readonly version?: string;
  readonly log: Log;
  /** Default: nvidia-smi. */
  readonly cards?: CardReader;
  /** What differs from the figures of production. */
  readonly policy?: Partial<SupervisionPolicy>;
  /** Whether a SIGHUP comes of a terminal that is gone. Default: never. */
  readonly isHungUp?: () => boolean;
  /** Where SIGTERM and SIGINT are heard. Default: this process. */
  readonly signals?: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
}

/** A process that has lost its parent gets another. */
const PARENT = process.ppid;
const ONE_LOOK: LookPatience = { times: 1, pauseMs: 0 };

/**
 * Runs the supervisor until it is told to stop, by a signal or through its control API.
 * Resolves with the exit code: 0 stopped in order · 1 another supervisor runs here, or it failed · 64 settings or profiles are invalid ·
 * 130 interrupted twice.
 */
export async function runSupervisor(settings: Settings, io: SupervisorIo): Promise<number> {
  const clock = systemClock;
  const { log } = io;
  try {
    return await supervise(settings, io, clock, log);
  } catch (error) {
    const message = error instanceof ProfileError ? tellProblems(log, error) : error instanceof Error ? error.message : String(error);
    const advice = isOfTheDisk(error)
      ? ` Look at the folder of supervisor.state_dir, ${resolve(io.cwd, settings.supervisor.state_dir)}: its disk may be full, or it cannot be written to.`
      : '';
    log.error('supervisor.failed', `The supervisor cannot run: ${message}.${advice}`);
    return error instanceof ProfileError ? EXIT_INVALID : EXIT_FAILED;
  }
}

/** Files are all that it writes, and all of them lie in one folder. */
function isOfTheDisk(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOTDIR', 'EIO'].includes(code ?? '');
}

async function supervise(settings: Settings, io: SupervisorIo, clock: Clock, log: Log): Promise<number> {
  const stateDir = resolve(io.cwd, settings.supervisor.state_dir);
  const path = controlPath(settings, io.cwd);
  // Asked before anything is touched.
  if (await isAnswered(path)) throw new ControlTaken(`another supervisor answers on ${path}`);
  const obstacle = obstacleToWriting(stateDir);
  if (obstacle !== null) throw new Error(`the folder of supervisor.state_dir cannot be used: ${obstacle}`);
  for (const warning of [openToOthers(stateDir), unreaped()]) if (warning !== null) log.warn('supervisor.start', warning);
  const held = await lockState(stateDir);
  const { log: told, history } = keepHistory(log, clock, stateDir, 'supervisor', true);
  try {
    const exitCode = await superviseAlone(settings, io, clock, told, { stateDir, path });
    told.info('supervisor.end', 'The supervisor ends.');
    return exitCode;
  } catch (error) {
    // Whoever called us puts it into the log. Where the folder is at fault it could not be taken down either.
    if (!isOfTheDisk(error))
      history.add('error', 'supervisor.end', `The supervisor cannot run: ${error instanceof Error ? error.message : error}`);
    throw error;
  } finally {
    held.release();
  }
}

/** There is a vLLM to launch and something is wrong with the driver; whoever starts us tries again, later and later. */
class GpusUnseen extends Error {
  constructor(problem: string) {
    super(`the GPUs cannot be seen: ${problem}. headgate doctor tells more; --engine sim serves made-up answers without them`);
  }
}

async function superviseAlone(
  settings: Settings,
  io: SupervisorIo,
  clock: Clock,
  log: Log,
  { stateDir, path }: { readonly stateDir: string; readonly path: string },
): Promise<number> {
  const own = ownProfiles(settings, io.cwd);
  if (own !== null) log.info('supervisor.plan', `Profiles of ${own} are laid over those of the package.`);
  const profiles = loadProfiles(...profileFolders(settings, io.cwd));
  const policy = { ...supervisionPolicy(settings.supervisor.start_timeout_ms, settings.shutdown.grace_ms), ...io.policy };
  const cards = new ClosableCards(io.cards ?? new NvidiaSmi(clock, io.env));
  const isNeeded = mayNeedGpus(settings, io);
  const seen = await firstLook(cards, clock, log, isNeeded ? policy.firstLooks : ONE_LOOK);
  const gpuFile = join(stateDir, 'gpus.json');
  const known = isNeeded && seen.problem !== null ? recallGpus(gpuFile) : null;
  if (known) {
    const names = known.gpus.map(({ name }) => name).join(', ');
    log.warn('supervisor.plan', `The GPUs cannot be seen: ${seen.problem}. Going on with what was there at ${known.at}: ${names}.`);
  }
  const gpus = visibleGpus(known?.gpus ?? seen.gpus, io.env['CUDA_VISIBLE_DEVICES']);
  const vllm = await findVllm(settings, io, gpus, clock, stateDir, log);
  const records = readRecords(recordsDirectory(stateDir));
  const earlier = runningEngines(records);
  const facts = gpus.length > 0 ? await learnModels(settings, profiles, { cwd: io.cwd, env: io.env, clock }) : new Map<string, never>();
  const plan = planFleet(settings, profiles, gpus, {
    cwd: io.cwd,
    env: io.env,
    stateDir,
    vllm,
    gpuProblem: seen.problem,
    running: earlier,
    facts,
  });
  if (plan.decision.missing !== null) throw new ProfileError(plan.decision.missing);
  // Made-up answers in place of a model that the machine is set up for would be taken for the model's.
  if (isNeeded && plan.decision.engine === 'sim' && plan.decision.problem !== null) throw new GpusUnseen(plan.decision.problem);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  if (isNeeded && seen.gpus.some(({ simulated }) => !simulated)) keepGpus(gpuFile, seen.gpus, clock, log);
  logPlan(log, plan, io.env);
  // Before the first snapshot, so that the gateway never hears that a worker it sends requests to is not there.
  const adoptable = await findAdoptable(
    records,
    plan.workers.flatMap(({ models }) => [...models.values()].map(({ spec }) => spec)),
  );
  // They may hold the ports and the memory that the workers need.
  await endLeftovers(clock, stateDir, log, new Set([...adoptable.values()].flatMap(running).map(({ record }) => record.instanceId)));
  // Nothing could ever be served: to stay up would only hide why.
  if (adoptable.size === 0 && plan.choices.every(({ kind }) => kind === 'refused')) throw new ProfileError(refusals(plan));
  const fleet = await Fleet.create({
    clock,
    random: systemRandom,
    log,
    policy,
    cards,
    gpus,
    plan,
    portRange: settings.supervisor.port_range,
    stateDir,
    version: io.version ?? 'unknown',
    settingsMark: supervisionMark(settings),
    maxWaitMs: settings.admission.queue_timeout_ms,
    adoptable,
  });

  const { ended, stop, leave, finish } = listenForTheEnd(fleet, io.signals ?? process, log, io.isHungUp ?? (() => false));
  // The gateway that starts us says who it is: it may be gone before we look for our parent.
  const gateway = io.env[STARTED_BY_VARIABLE];
  const owned = ownership({
    ...{ starter: Number(gateway ?? PARENT), isGateway: gateway !== undefined, parent: () => process.ppid },
    ...{ stop: () => stop('control'), leave: () => leave('control') },
  });
  try {
    const control = await serveControl(
      path,
      {
        snapshot: () => fleet.snapshot(),
        onChange: (listener) => fleet.onChange(listener),
        restart: (id, reset) => fleet.restart(id, reset),
        drain: (id) => fleet.drain(id),
        undrain: (id) => fleet.undrain(id),
        load: (model) => fleet.load(model),
        wish: (model, waiting) => fleet.wish(model, waiting),
        unload: (model) => fleet.unload(model),
        lease: (asked) => fleet.lease(asked),
        giveBack: (gpu, id) => fleet.giveBack(gpu, id),
        ...owned,
      },
      clock,
      () => log.warn('supervisor.control', `The control socket was taken away; it is there again: ${path}.`),
    );
    try {
      showControl(stateDir, path, log);
      log.info('supervisor.start', `Supervising ${describeWorkers(plan)}: ${plan.decision.reason}.`, {
        engine: plan.decision.engine,
        profile: plan.profile.name,
        tuning: plan.tuning.name,
        gpus: gpus.map(({ name }) => name),
        control: path,
      });
      fleet.start();
      return (await ended) === 'in_order' ? 0 : EXIT_INTERRUPTED_TWICE;
    } finally {
      hideControl(stateDir);
      await control.close();
    }
  } finally {
    finish();
  }
}

/** Where the control API is, for people and programs that look into the folder. */
function showControl(stateDir: string, control: string, log: Log): void {
  try {
    writeFileSync(join(stateDir, 'control.json'), `${JSON.stringify({ control, pid: process.pid })}\n`, { mode: 0o600 });
  } catch (error) {
    log.warn('supervisor.control', `Where the control API is could not be written down: ${(error as Error).message}.`);
  }
}

function hideControl(stateDir: string): void {
  try {
    rmSync(join(stateDir, 'control.json'), { force: true });
  } catch {
    // The disk has become read-only; the process that it names is gone, which who reads it has to expect anyway.
  }
}

/** Should they not be seen the next time, engines that run go on, and none is replaced by a simulated one. */
function keepGpus(file: string, gpus: readonly GpuReading[], clock: Clock, log: Log): void {
  try {
    rememberGpus(file, { at: new Date(clock.wall()).toISOString(), gpus });
  } catch (error) {
    log.warn('supervisor.plan', `What GPUs there are could not be written down: ${(error as Error).message}.`);
  }
}

/** There is a vLLM that would be launched if only there were a GPU. */
function mayNeedGpus({ supervisor }: Settings, { env, cwd }: SupervisorIo): boolean {
  return supervisor.engine !== 'sim' && findProgram(supervisor.vllm_command[0] ?? 'vllm', env, cwd) !== null;
}

/** The vLLM to launch and the flags that it has; null where none is there or the simulated engine is wanted. */
async function findVllm(settings: Settings, io: SupervisorIo, gpus: readonly GpuReading[], clock: Clock, stateDir: string, log: Log) {
  const { engine, vllm_command: command } = settings.supervisor;
  if (engine === 'sim' || (engine === 'auto' && !gpus.some(({ simulated }) => !simulated))) return null;
  // What it knows is kept there.
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const onAsk = (path: string) => log.info('supervisor.plan', `Asking ${path} which flags it has; the first time this may take a minute.`);
  return inspectVllm({ command, env: io.env, cwd: io.cwd, cacheFile: join(stateDir, VLLM_CACHE_FILE), clock, onAsk });
}
