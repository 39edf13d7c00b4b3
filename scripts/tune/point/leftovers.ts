import { rmSync } from 'node:fs';
import { sleep, systemClock } from '../../../gateway/core/clock.ts';
import { createLog } from '../../../gateway/core/log/log.ts';
import { askState, isAnswered } from '../../../gateway/link/ask-state.ts';
import { commandSupervisor } from '../../../gateway/link/commands.ts';
import { endLeftovers } from '../../../supervisor/fleet/leftovers.ts';
import { signal } from '../../../supervisor/system/processes.ts';
import type { ProcessMark } from '../asked/journal.ts';
import { isAlive, markOf } from './marks.ts';

/** What a gateway has for its last calls and its engine's end. */
const GATEWAY_MS = 60_000;
/** A supervisor that is told to stop while vLLM loads waits for that. */
const SUPERVISOR_MS = 60_000;
const LOOK_MS = 100;

/** One point as it was launched. */
export interface Launched {
  readonly process: ProcessMark;
  readonly stateDir: string;
  readonly control: string;
}

/**
 * Ends whatever is left of a point: its gateway, then a supervisor that has outlived that, then engines that bear the mark of its state
 * folder. Only processes that are certainly the point's own. @returns what could not be ended, in words; null: nothing is left
 */
export async function endPoint({ process: gateway, stateDir, control }: Launched): Promise<string | null> {
  if (isAlive(gateway)) {
    signal(gateway.pid, 'SIGINT');
    if (!(await gone(gateway, GATEWAY_MS))) {
      signal(gateway.pid, 'SIGKILL');
      await gone(gateway, SUPERVISOR_MS);
    }
  }
  const pid = (await askState(control))?.pid;
  if (pid !== undefined) {
    const supervisor = markOf(pid);
    await commandSupervisor(systemClock, control, '/v1/stop');
    if (!(await gone(supervisor, SUPERVISOR_MS)) && isAlive(supervisor)) {
      signal(pid, 'SIGKILL');
      await gone(supervisor, SUPERVISOR_MS);
    }
  }
  if (await isAnswered(control)) return `somebody still answers on ${control}`;
  await endLeftovers(systemClock, stateDir, createLog({ level: 'silent', format: 'json', clock: systemClock }));
  return isAlive(gateway) ? `process ${gateway.pid} cannot be ended` : null;
}

/** The folder of a point that needs no looking at any more. */
export function forgetState(stateDir: string): void {
  rmSync(stateDir, { recursive: true, force: true, maxRetries: 3 });
}

async function gone(mark: ProcessMark, limitMs: number): Promise<boolean> {
  for (const end = performance.now() + limitMs; isAlive(mark); await sleep(systemClock, LOOK_MS)) if (performance.now() > end) return false;
  return true;
}
