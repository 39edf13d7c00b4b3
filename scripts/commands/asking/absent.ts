import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { isOurs } from '../../../gateway/core/history/lost-life.ts';
import { askState } from '../../../gateway/link/ask-state.ts';
import { controlPath } from '../../../gateway/link/control-path.ts';
import { readWhereabouts } from '../../../gateway/link/whereabouts.ts';

/**
 * Where no gateway of this folder has answered: what is there of it, and what to do, as the rest of a sentence with its end. Never throws.
 */
export async function whatIsThere(settings: Settings, cwd: string): Promise<string> {
  const stateDir = resolve(cwd, settings.supervisor.state_dir);
  const silent = readWhereabouts(stateDir).find(({ pid }) => isOurs(pid));
  if (silent) {
    const { pid, url } = silent;
    const who = `; the gateway of this folder (process ${pid}, ${url})`;
    if (isStopped(pid)) return `${who} is there, but stopped: "kill -CONT ${pid}" has it go on.`;
    return `${who} is there and does not answer: it is busy, or hangs. "headgate logs" shows what it said last, "kill ${pid}" ends it.`;
  }
  const none = `, and none that was started in this folder (${settings.supervisor.state_dir})`;
  const supervisor = await askState(controlPath(settings, cwd));
  if (supervisor === null) return `${none}. Is it running there? --port and --config say where to ask.`;
  const workers = supervisor.workers.map(({ id, state }) => `${id} (${state})`).join(', ');
  const engines = workers === '' ? 'without workers' : `with ${workers}`;
  const what = 'runs on: "headgate serve" takes it up again, "headgate supervise --stop" stops it and its engines.';
  return `${none} runs any more. Its supervisor (process ${supervisor.pid}), ${engines}, ${what}`;
}

/** By a signal, or a debugger; false where the system does not say. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
