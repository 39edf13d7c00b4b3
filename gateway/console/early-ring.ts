import type { EarlyRefusal } from '../core/events.ts';
import { isOperatorsPath } from '../http/routes.ts';
import { type EndedCall, tenths } from './call-facts.ts';

/** Who is refused there is none of the clients either. */
const OF_MACHINES = new Set(['/metrics', '/stats']);

/** Requests that never became calls, and are still shown: few, so that whoever tries keys all day does not push out what else there is. */
export const MOST_EARLY = 100;

/** Whether it was refused at a page that no client has any business at. */
export function isOperators({ route }: Pick<EarlyRefusal, 'route'>): boolean {
  return isOperatorsPath(route) || OF_MACHINES.has(route);
}

/** The last requests that were refused before they became calls: when, where and why, and nothing of what they held. */
export class EarlyRing {
  readonly #kept: EndedCall[] = [];

  /** @param at wall-clock milliseconds at which it was refused @param number among all that have ended in this process */
  add({ id, route, status, code, durationMs, key }: EarlyRefusal, at: number, number: number): void {
    this.#kept.push({
      ...{ number, id, at: Math.round(at - durationMs), route, model: '', fallback: null, key, priority: '', line: false, stream: false },
      ...{
        phase: 'done',
        outcome: 'refused',
        status,
        reason: code,
        queue_ms: 0,
        window_ms: 0,
        duration_ms: tenths(durationMs),
      },
      ...{ input_tokens: null, output_tokens: null, cached_tokens: null, cache: null, attempts: [] },
    });
    if (this.#kept.length > MOST_EARLY) this.#kept.shift();
  }

  /** Oldest first. */
  all(): readonly EndedCall[] {
    return this.#kept;
  }
}
