import type { Scheduler } from './scheduler.ts';

/**
 * What the engine's gauges say: as of its last step, as in vLLM. While no step ends they stand still, whatever comes and goes. Requests
 * whose clients have left are taken out by a step without tokens.
 */
export class Gauges {
  running = 0;
  waiting = 0;
  /** 0..1 */
  kvUsage = 0;
  /** As in vLLM before 0.10.2, a step without tokens does not move them. */
  stale = false;

  /** After a step in which so many requests got a token. */
  move({ running, waiting, pool }: Scheduler, served: number): void {
    if (served === 0 && this.stale) return;
    this.running = running;
    this.waiting = waiting;
    this.kvUsage = pool.usage;
  }
}
