import { createLog, type Log } from '../../gateway/core/log/log.ts';
import { systemClock } from '../../gateway/core/clock.ts';

/** A log whose lines are kept, parsed, in `lines`. */
export function collectedLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => lines.push(JSON.parse(line)) };
  return { log: createLog({ level: 'debug', format: 'json', clock: systemClock, destination }), lines };
}
