import { runSupervisor } from '../../supervisor/main.ts';
import type { Log } from '../../supervisor/log.ts';
import type { Settings } from '../config/settings.ts';
import { systemClock } from '../core/clock.ts';
import { VERSION } from '../version.ts';
import { prettyLine } from '../telemetry/log-pretty.ts';
import { readCommandLine } from './command-line.ts';

/** `headgate supervise` */
export async function supervise(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'ended') return line.exitCode;
  const { settings } = line.loaded;
  return runSupervisor(settings, {
    cwd: line.cwd,
    env: process.env,
    stdout: process.stdout,
    version: VERSION,
    log: supervisorLog(settings.log),
  });
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** The supervisor's few lines, in the form that the settings ask for. */
function supervisorLog({ level, format }: Settings['log']): Log {
  // A reader that goes away is no reason to stop: the workers matter more than their log.
  process.stdout.on('error', () => {});
  const least = LEVELS.indexOf(level);
  const write = (at: 'info' | 'warn' | 'error'): Log['info'] => {
    return (event, msg, fields = {}) => {
      if (LEVELS.indexOf(at) < least) return;
      const json = JSON.stringify({ time: new Date(systemClock.wall()).toISOString(), level: at, event, msg, ...fields });
      process.stdout.write(format === 'pretty' ? prettyLine(`${json}\n`) : `${json}\n`);
    };
  };
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
