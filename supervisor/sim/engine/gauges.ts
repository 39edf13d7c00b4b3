import type { Scheduler } from './scheduler.ts';

/**
 * What the engine's gauges say: how things stood at its last step, as in vLLM. While no step ends the gauges stand still, whatever
 * requests come and go. Requests whose clients have left are taken out by a step without tokens.
 */
export class Gauges {
  running = 0;
  waiting = 0;
  /** 0..1 */
  kvUsage = 0;
  /** A step without tokens does not move the gauges, as in vLLM before 0.10.2. */
  stale = false;

  /** `served`: requests that got a token in the step that has just ended. */
  move({ running, waiting, pool }: Scheduler, served: number): void {
    if (served === 0 && this.stale) return;
    this.running = running;
    this.waiting = waiting;
    this.kvUsage = pool.usage;
  }
}
