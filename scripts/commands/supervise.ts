import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import { askState, isAnswered } from '../../gateway/link/ask-state.ts';
import { commandSupervisor } from '../../gateway/link/commands.ts';
import { controlPath } from '../../gateway/link/control-path.ts';
import { runSupervisor } from '../../supervisor/main.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { keepingPlace } from '../../gateway/core/log/kept-lines.ts';
import { createLog } from '../../gateway/core/log/log.ts';
import { VERSION } from '../../gateway/core/version.ts';
import { failed } from './asking/ask.ts';
import { cardsOf } from './cards.ts';
import { readCommandLine } from './line/command-line.ts';
import { isLiveTerminal } from '../report/terminal.ts';
import { isThere, supervisorAt } from './keeping/supervisor-at.ts';
import { watchTerminal } from './keeping/terminal.ts';
import { leave, outliveReaders } from './output.ts';

/** Beyond the grace that running calls have: what an engine may take to give its memory back. */
const STOP_MS = 60_000;
const LOOK_MS = 100;

/** `headgate supervise`, and `headgate supervise --stop [--leave-engines]` for the one that runs. */
export async function supervise(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('supervise', argv, {
    own: { stop: 'switch', 'leave-engines': 'switch' },
    tolerant: argv.includes('--stop') ? 'aloud' : undefined,
  });
  if (line.kind === 'ended') return line.exitCode;
  const { settings } = line.loaded;
  const leaves = line.own.has('leave-engines');
  if (line.own.has('stop')) return stopRunning(settings, line.cwd, leaves);
  if (leaves) {
    process.stderr.write('headgate: --leave-engines says how the supervisor that runs is to end; it goes with --stop.\n');
    return EXIT_USAGE;
  }
  outliveReaders();
  // Before it serves and after, only timers may be left, and those of the clock keep no process alive.
  const alive = stayAlive();
  const isHungUp = watchTerminal();
  const { level, format, keep_mb: megabytes } = settings.log;
  const keep = keepingPlace(resolve(line.cwd, settings.supervisor.state_dir), 'supervisor', megabytes);
  const log = createLog({ level, format, clock: systemClock, promptly: true, live: isLiveTerminal(), keep });
  const { cards, env } = cardsOf(settings, process.env, line.cwd, true);
  const ended = runSupervisor(settings, { cwd: line.cwd, env, version: VERSION, log, cards, isHungUp });
  return ended.finally(() => {
    alive.cancel();
    leave();
  });
}

/** Tells the supervisor of this state folder to end, and waits until it has. */
async function stopRunning(settings: Settings, cwd: string, leaves: boolean): Promise<number> {
  const control = controlPath(settings, cwd);
  if (!(await isAnswered(control))) return failed(`no supervisor runs here: nobody answers on ${control}.`);
  // Should its gateway start the next one at once, the control path is answered again: what is gone is the process, which goes last.
  const pid = (await askState(control))?.pid ?? null;
  const running = supervisorAt(pid);
  const told = await commandSupervisor(systemClock, control, leaves ? '/v1/stop?leave=engines' : '/v1/stop');
  if (told.kind !== 'accepted') return failed(told.message);
  process.stdout.write(`${told.message}\n`);
  const until = systemClock.now() + settings.shutdown.grace_ms + STOP_MS;
  while (isThere(running) || (await answersStill(control, pid))) {
    if (systemClock.now() > until) return failed('it has not ended in the time that it had for it; the log may say why.');
    await delay(LOOK_MS);
  }
  return 0;
}

async function answersStill(control: string, pid: number | null): Promise<boolean> {
  if (!(await isAnswered(control))) return false;
  const now = await askState(control);
  return pid === null || now === null || now.pid === pid;
}
