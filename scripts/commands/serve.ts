import { relative, resolve } from 'node:path';
import { controlPath } from '../../gateway/link/control-path.ts';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import { type Settings, supervisorIsOn } from '../../gateway/config/schema/settings.ts';
import { askState, isAnswered } from '../../gateway/link/ask-state.ts';
import { refusalToShare } from '../../gateway/link/contradictions.ts';
import type { GpuView } from '../../gateway/link/snapshot.ts';
import { missingEngine } from '../../supervisor/plan/missing-engine.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { GatewayError } from '../../gateway/core/errors.ts';
import { failureFields } from '../../gateway/telemetry/events/request-line.ts';
import { keepingPlace } from '../../gateway/core/log/kept-lines.ts';
import { createLog } from '../../gateway/core/log/log.ts';
import type { Gateway } from '../../gateway/main.ts';
import { type Keeper, startKeeper } from '../../gateway/processes/keeper.ts';
import { canSharePorts, processCount } from '../../gateway/processes/process-count.ts';
import { EXIT_FAILED, EXIT_INTERRUPTED_TWICE, EXIT_INVALID, EXIT_PORT_IN_USE, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { cardsOf } from './cards.ts';
import { examineAnywhere } from './check.ts';
import { readCommandLine } from './line/command-line.ts';
import { showProgress } from './live/progress-line.ts';
import { loadingText } from './live/progress-text.ts';
import { isLiveTerminal, terminalColumns } from '../report/terminal.ts';
import { watchTerminal } from './keeping/terminal.ts';
import { leave, outliveReaders } from './output.ts';
import { anotherPort, portHolder, portSetting } from './keeping/port-holder.ts';
import { SupervisorProcess } from './keeping/supervisor-process.ts';

/** Beyond the grace that running calls had: what an engine may take to give its memory back. */
const SUPERVISOR_STOP_MS = 60_000;
/** A terminal signals its whole process group, and npm passes on what it got: within this it is the same Ctrl-C, heard twice. */
const SAME_SIGNAL_MS = 500;

/** `headgate serve` and `headgate gateway`: runs until it is told to stop. */
export async function serve(argv: readonly string[], command: 'serve' | 'gateway'): Promise<number> {
  // A supervisor that runs by itself, in a unit or a container of its own, is followed and neither started nor stopped from here.
  const follows = command === 'gateway' && argv.includes('--supervised');
  const enabled = { path: ['supervisor', 'enabled'], value: follows, by: follows ? '--supervised' : 'headgate gateway' };
  const line = readCommandLine(command, argv, command === 'gateway' ? { fixed: [enabled], own: { supervised: 'switch' } } : {});
  if (line.kind === 'ended') return line.exitCode;
  const { settings } = line.loaded;
  const isHungUp = watchTerminal();
  const supervised = supervisorIsOn(settings);
  const obstacle = supervised ? ((await nothingToShare(line.loaded, line.cwd)) ?? (await nothingToLaunch(settings, line.cwd))) : null;
  if (obstacle !== null) {
    process.stderr.write(`headgate: ${obstacle}\n`);
    return EXIT_INVALID;
  }
  if (!supervised && settings.workers.length === 0) {
    process.stderr.write(
      'headgate: there are no workers to stand in front of; name one with --worker URL or under workers in the settings, or take those of "headgate supervise" with --supervised.\n',
    );
    return EXIT_USAGE;
  }

  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  let stopping = false;
  /** Another process was told to stop and has passed it on; our own signal may be on its way. */
  let isHearsay = false;
  const stateDir = resolve(line.cwd, settings.supervisor.state_dir);
  const live = isLiveTerminal();
  const keep = keepingPlace(stateDir, 'gateway', settings.log.keep_mb);
  const log = createLog({ ...settings.log, clock: systemClock, live, keep });
  const count = processCount(settings.server.processes);
  if (count > 1 && !canSharePorts()) {
    process.stderr.write(
      `headgate: server.processes is ${count}, and this system cannot let several processes listen on one port: set it to 1.\n`,
    );
    return EXIT_INVALID;
  }
  let gateway: Gateway | Keeper;
  try {
    const examine = (loaded: LoadedSettings) => examineAnywhere(loaded, line.cwd);
    const options = { loaded: line.loaded, load: line.load, keep: line.keep, examine, cwd: line.cwd, log };
    gateway =
      count === 1
        ? // Who only keeps others needs nothing of it.
          await (await import('../../gateway/main.ts')).startGateway({ ...options, historyDir: stateDir })
        : await startKeeper({
            ...options,
            stateDir,
            live,
            count,
            onStop() {
              if (stopping) return;
              isHearsay = true;
              void stop(true, 0);
            },
            onHopeless: () => void stop(false, EXIT_FAILED),
          });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (count > 1 && code !== 'EADDRINUSE' && code !== 'EACCES') {
      process.stderr.write(`headgate: ${message}\n`);
      return EXIT_FAILED;
    }
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
    const port = (error as { port?: number }).port ?? settings.server.port;
    const setting = portSetting(settings, port);
    const { host } = setting === 'admin.port' ? settings.admin : settings.server;
    const what =
      code === 'EADDRINUSE'
        ? await portHolder(host, port, setting)
        : `It takes the right to listen there, which ports below 1024 ask for; ${anotherPort(setting)}.`;
    process.stderr.write(`headgate: cannot listen on ${setting}: ${message}. ${what}\n`);
    return EXIT_PORT_IN_USE;
  }

  const supervisor =
    supervised && !follows
      ? new SupervisorProcess({
          argv,
          control: controlPath(settings, line.cwd),
          stateDir,
          lastHeardOf: () => gateway.snapshot()?.pid ?? null,
          clock: systemClock,
          log: gateway.log,
          onHopeless: (code) => void stop(false, code),
        })
      : null;
  let isHurried = false;
  let toldAt = -Infinity;

  async function stop(settle: boolean, exitCode: number): Promise<void> {
    stopping = true;
    try {
      await gateway.drain(settle);
      await supervisor?.stop(SUPERVISOR_STOP_MS);
      end(exitCode);
    } catch (error) {
      process.stderr.write(`headgate: the shutdown failed: ${String(error)}\n`);
      end(EXIT_FAILED);
    }
  }
  function onSignal(settle: boolean): void {
    const now = systemClock.now();
    if (now - toldAt < SAME_SIGNAL_MS) return;
    toldAt = now;
    if (!stopping) return void stop(settle, 0);
    if (isHearsay) return void (isHearsay = false);
    const leaveNow = (): never => {
      if ('endAtOnce' in gateway) gateway.endAtOnce();
      gateway.log.flush();
      process.exit(EXIT_INTERRUPTED_TWICE);
    };
    if (isHurried || !supervisor) leaveNow();
    isHurried = true;
    void supervisor?.killNow().finally(leaveNow);
  }
  // A person waits at Ctrl-C; an orchestrator sends TERM, and its load balancers need a moment to notice.
  process.on('SIGINT', () => onSignal(false));
  process.on('SIGTERM', () => onSignal(true));
  process.on('SIGHUP', () => {
    if (!isHungUp()) return void gateway.reload();
    if (stopping) return;
    gateway.log.info(
      'drain',
      'The terminal that it was started on is gone; it ends as with Ctrl-C. nohup, or a unit of its own, keeps it.',
    );
    onSignal(false);
  });
  process.on('unhandledRejection', (error) =>
    gateway.log.error(
      'internal.error',
      'a promise was rejected and nobody heard',
      failureFields(new GatewayError('internal', 'unexpected', { cause: error })),
    ),
  );
  outliveReaders();

  void supervisor?.start();
  if (follows) gateway.log.info('supervisor.wait', `takes the workers of the supervisor at ${controlPath(settings, line.cwd)}`);
  const progress = live
    ? showProgress(
        gateway.log,
        systemClock,
        () => {
          const status = gateway.status();
          return status && loadingText(status);
        },
        terminalColumns,
      )
    : null;
  void gateway.firstReady.then(() => gateway.log.announce('ready', readyLine(gateway, line.cwd)));
  // Towards the end only timers may be left, and those of the clock keep no process alive.
  const alive = stayAlive();
  return ended.finally(() => {
    progress?.cancel();
    alive.cancel();
    leave();
  });
}

/** One line for people: where, what model, which engine, which profile, and where the admin key is that nobody has set. */
function readyLine(gateway: Gateway | Keeper, cwd: string): string {
  const snapshot = gateway.snapshot();
  const parts = [`Headgate is ready on ${gateway.url}`, `model ${gateway.defaultModel()}`];
  if (snapshot) {
    parts.push(
      snapshot.engine === 'sim' ? 'engine simulated (no real model)' : `engine vLLM ${snapshot.vllmVersion ?? ''}`.trim(),
      ...simulatedCards(snapshot.gpus),
      `profile ${snapshot.profile}`,
    );
  } else parts.push('external workers');
  const keyFile = gateway.adminKeyFile();
  if (keyFile !== null) {
    const near = relative(cwd, keyFile);
    parts.push(`admin key in ${near.startsWith('..') ? keyFile : near}`);
  }
  return parts.join(' · ');
}

function simulatedCards(gpus: readonly GpuView[]): string[] {
  const names = gpus.filter(({ simulated }) => simulated).map(({ name }) => name);
  return names.length === 0 ? [] : [`GPU ${names.join(' and ')} (simulated)`];
}

/** Why the supervisor that runs here already cannot do what these settings ask for; null where it can, or none runs. */
async function nothingToShare({ settings, origins }: LoadedSettings, cwd: string): Promise<string | null> {
  const alive = stayAlive();
  try {
    const running = await askState(controlPath(settings, cwd));
    return running === null ? null : refusalToShare(settings, origins, running);
  } finally {
    alive.cancel();
  }
}

/** What is to be installed before a supervisor could launch anything; null where it can, or one runs here already. */
async function nothingToLaunch(settings: Settings, cwd: string): Promise<string | null> {
  // A driver that hangs is given up by a timer, which alone would not keep us running.
  const alive = stayAlive();
  try {
    const { cards, env } = cardsOf(settings, process.env, cwd, false);
    const missing = await missingEngine(settings, cards, { cwd, env });
    return missing === null || (await isAnswered(controlPath(settings, cwd))) ? null : missing;
  } finally {
    alive.cancel();
  }
}
