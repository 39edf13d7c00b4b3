import type { Worker } from '../core/worker.ts';
import type { Sight } from '../vllm/sight.ts';

/** Where workers come from: the settings' list, or a supervisor. A source writes the directory, and the scraper tells it what it sees. */
export interface WorkerSource {
  /** Whether the worker's metrics are worth asking for now. */
  scrapes(worker: Worker): boolean;
  observe(id: string, sight: Sight): void;
  /** Ends the source's timers and connections; nothing is written to the directory afterwards. */
  close(): void;
}
