import { rmSync } from 'node:fs';
import { sleep, systemClock } from '../../../gateway/core/clock.ts';
import { createLog } from '../../../gateway/core/log/log.ts';
import { askState, isAnswered } from '../../../gateway/link/ask-state.ts';
import { commandSupervisor } from '../../../gateway/link/commands.ts';
import { endLeftovers } from '../../../supervisor/fleet/leftovers.ts';
import { listProcesses, signal } from '../../../supervisor/system/processes.ts';
import type { ProcessMark } from '../asked/journal.ts';
import { enginesOf, isAlive, isStartedFor, markOf, startedFor } from './marks.ts';

/** What a gateway has for its last calls and its engine's end. */
const GATEWAY_MS = 60_000;
/** A supervisor that is told to stop while vLLM loads waits for that. */
const SUPERVISOR_MS = 60_000;
const LOOK_MS = 100;
/** Nobody reads what ending says. */
const UNHEARD = createLog({ level: 'silent', format: 'json', clock: systemClock, destination: { write() {} } });

/** One point as it was launched. */
export interface Launched {
  readonly process: ProcessMark;
  readonly stateDir: string;
  readonly control: string;
}

/**
 * Ends whatever is left of a point: its gateway, then a supervisor that has outlived that, then engines that bear the mark of its state
 * folder. Only processes that are certainly the point's own: its port may be another's by now. @returns what could not be ended, in words;
 * null: nothing is left
 */
export async function endPoint({ process: gateway, stateDir, control }: Launched): Promise<string | null> {
  if (isAlive(gateway)) {
    signal(gateway.pid, 'SIGINT');
    await gone(gateway, GATEWAY_MS);
    // Its supervisor would not be told anything else while it lives.
    if (isAlive(gateway)) signal(gateway.pid, 'SIGKILL');
    await gone(gateway, SUPERVISOR_MS);
  }
  const pid = (await askState(control))?.pid;
  if (pid !== undefined && isStartedFor(stateDir, pid)) {
    const supervisor = markOf(pid);
    await commandSupervisor(systemClock, control, '/v1/stop');
    await gone(supervisor, SUPERVISOR_MS);
  }
  // A supervisor that does not hear, or does not end, would start its engines again.
  const deaf = startedFor(stateDir);
  for (const each of deaf) signal(each.pid, 'SIGKILL');
  for (const each of deaf) await gone(each, SUPERVISOR_MS);
  await endLeftovers(systemClock, stateDir, UNHEARD);
  const left = [...startedFor(stateDir), ...enginesOf(stateDir)];
  if (left.length > 0) return `${left.map((each) => `process ${each.pid}`).join(', ')} will not end`;
  // Where processes cannot be told from one another nobody was ended.
  return listProcesses().length === 0 && (await isAnswered(control)) ? `somebody still answers on ${control}` : null;
}

/** The folder of a point that needs no looking at any more. */
export function forgetState(stateDir: string): void {
  rmSync(stateDir, { recursive: true, force: true, maxRetries: 3 });
}

/** Waits for its end, no longer than so many milliseconds. */
async function gone(mark: ProcessMark, limitMs: number): Promise<void> {
  for (const end = performance.now() + limitMs; isAlive(mark) && performance.now() < end;) await sleep(systemClock, LOOK_MS);
}
