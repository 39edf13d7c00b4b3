import { runSupervisor } from '../../supervisor/main.ts';
import type { Log } from '../../supervisor/system/log.ts';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { VERSION } from '../../gateway/core/version.ts';
import { prettyLine } from '../../gateway/core/log/pretty.ts';
import { lostMessage, StandardOutput } from '../../gateway/core/log/standard-output.ts';
import { readCommandLine } from './command-line.ts';
import { leave, outliveReaders } from './output.ts';

/** `headgate supervise` */
export async function supervise(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'ended') return line.exitCode;
  const { settings } = line.loaded;
  outliveReaders();
  // Before it serves, and after, it may wait on timers alone.
  const alive = stayAlive();
  const ended = runSupervisor(settings, {
    cwd: line.cwd,
    env: process.env,
    stdout: process.stdout,
    version: VERSION,
    log: supervisorLog(settings.log),
  });
  return ended.finally(() => {
    alive.cancel();
    leave();
  });
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** The supervisor's few lines, in the form that the settings ask for. */
function supervisorLog({ level, format }: Settings['log']): Log {
  const least = LEVELS.indexOf(level);
  const shown = (line: object): string => {
    const json = `${JSON.stringify({ time: new Date(systemClock.wall()).toISOString(), ...line })}\n`;
    return format === 'pretty' ? prettyLine(json) : json;
  };
  const out = new StandardOutput(systemClock, false, (lines) => shown({ level: 'warn', event: 'log.lost', msg: lostMessage(lines) }));
  const write = (at: 'info' | 'warn' | 'error'): Log['info'] => {
    return (event, msg, fields = {}) => {
      if (LEVELS.indexOf(at) < least) return;
      out.write(shown({ level: at, event, msg, ...fields }));
    };
  };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
