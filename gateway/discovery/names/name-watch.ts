import type { Clock, Timer } from '../../core/clock.ts';
import type { FindingSource, FoundWorker, SourceListener } from '../../core/finding/found.ts';
import type { LookedUp, NamedWorkers } from './look-up.ts';

interface NameWatchOptions {
  readonly clock: Clock;
  readonly of: NamedWorkers;
  /** From the end of one look to the next. */
  readonly intervalMs: () => number;
  /** Never throws. */
  readonly look: (of: NamedWorkers) => Promise<LookedUp>;
  readonly listener: SourceListener;
}

/** In a row: before an absence is believed, and before trouble is told of. */
const MOST_FAILURES = 3;

/**
 * Keeps to the addresses of a name. What was found last stands while the resolver fails, however long; that there is nobody under the name
 * any more is believed when it was said three times in a row.
 */
export class NameWatch implements FindingSource {
  readonly #options: NameWatchOptions;
  #timer: Timer;
  #closed = false;
  #missing = 0;
  #failures = 0;
  #wasUp = false;

  constructor(options: NameWatchOptions) {
    this.#options = options;
    this.#timer = options.clock.after(0, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const { clock, of, look, intervalMs } = this.#options;
    const result = await look(of);
    if (this.#closed) return;
    if (result.kind === 'found') this.#found(result.workers);
    else if (result.kind === 'missing') {
      this.#missing += 1;
      if (this.#missing >= MOST_FAILURES) this.#tell(result.workers);
      const full = result.name.includes('.') ? '' : '. The search domains of the machine do not count: write the full name';
      this.#fail(`cannot be resolved: the DNS has no address of ${result.name}${full}`);
    } else this.#fail(`cannot be resolved: the DNS does not answer as it should (${result.reason})`);
    this.#timer = clock.after(intervalMs(), () => void this.#look());
  }

  #found(workers: readonly FoundWorker[]): void {
    this.#missing = 0;
    this.#failures = 0;
    this.#wasUp = true;
    this.#tell(workers);
    this.#options.listener.up();
  }

  #fail(message: string): void {
    this.#failures += 1;
    if (this.#failures >= MOST_FAILURES || !this.#wasUp) this.#options.listener.away(message);
  }

  #tell(workers: readonly FoundWorker[]): void {
    this.#options.listener.found({ workers, leftOut: [] });
  }
}
