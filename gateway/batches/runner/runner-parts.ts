import type { Route } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { Events } from '../../core/events.ts';
import type { Handler } from '../../core/handler.ts';
import type { Log } from '../../core/log/log.ts';
import type { Principal } from '../../core/principal.ts';
import type { Random } from '../../core/random.ts';
import type { CallTrace } from '../../core/trace/call-trace.ts';
import type { WorkerDirectory } from '../../core/worker.ts';
import type { BatchRow, Holder } from '../../state/store/batch-terms.ts';
import type { FileBytes } from '../../state/store/file-bytes.ts';
import type { BatchRecords } from '../../state/store/ports.ts';

export interface RunnerSettings {
  readonly max_running: number;
  /** Of the places that interactive calls leave free. */
  readonly share: number;
  readonly when_busy: 'yield' | 'finish';
  readonly cancel_grace_ms: number;
  readonly line_max_attempts: number;
}

/** Whose calls the lines of somebody's batches are; or why they cannot run. */
export type Standing = { readonly kind: 'good'; readonly principal: Principal } | { readonly kind: 'none'; readonly reason: string };

/** What the runner needs of the rest of the gateway. */
export interface RunnerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Pick<Events, 'lineEnded' | 'batchEnded' | 'batchPaused'>;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly records: BatchRecords;
  readonly bytes: Pick<FileBytes, 'open' | 'journals'>;
  /** This life of this process. */
  readonly holder: Holder;
  readonly directory: WorkerDirectory;
  /** The policies, from the one that opens the books on. */
  readonly handler: () => Handler;
  readonly newId: () => string;
  /** Begins the trace of a line of a batch. Absent or null: nobody traces. */
  readonly trace?: ((batch: string) => CallTrace) | null | undefined;
  readonly routeOf: (endpoint: string) => Route | null;
  /** How many more calls of a model its workers can run at once. */
  readonly spare: (model: string) => number;
  /** Whether anybody asks how prompts begin. */
  readonly wantsPrefix: () => boolean;
  /** Several processes share the places: who has none left has to wait in line to be given more. */
  readonly sharesPlaces: boolean;
  readonly standingOf: (owner: string) => Standing;
  readonly settings: () => RunnerSettings;
  /** When files that batches write expire, where nobody said otherwise. */
  readonly filesExpireAfterMs: () => number;
  /** Looks at the input of a new batch, and puts its lines on record. Never rejects. */
  readonly validate: (row: BatchRow) => Promise<void>;
}
