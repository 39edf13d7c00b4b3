import { runSupervisor } from '../../supervisor/main.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { createLog } from '../../gateway/core/log/log.ts';
import { VERSION } from '../../gateway/core/version.ts';
import { cardsOf } from './cards.ts';
import { readCommandLine } from './command-line.ts';
import { leave, outliveReaders } from './output.ts';

/** `headgate supervise` */
export async function supervise(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'ended') return line.exitCode;
  const { settings } = line.loaded;
  outliveReaders();
  // Before it serves and after, only timers may be left, and those of the clock keep no process alive.
  const alive = stayAlive();
  const { level, format } = settings.log;
  const log = createLog({ level, format, clock: systemClock, promptly: true });
  const { cards, env } = cardsOf(settings, process.env, line.cwd, true);
  const ended = runSupervisor(settings, { cwd: line.cwd, env, version: VERSION, log, cards });
  return ended.finally(() => {
    alive.cancel();
    leave();
  });
}
