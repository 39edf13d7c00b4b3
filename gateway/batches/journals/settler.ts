import { backOffMs } from '../../core/back-off.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { BatchRow, SettledLine } from '../../state/store/batch-terms.ts';
import type { OpenJournal, Side } from '../../state/store/file-bytes.ts';
import type { BatchRecords } from '../../state/store/ports.ts';

/** What has come of a line, to be put on record. */
export interface Result extends SettledLine {
  /** The whole line of one of the two files; null: it has not ended. */
  readonly line: { readonly side: Side; readonly bytes: Buffer } | null;
  /** How long its last try took; null: it was not tried. */
  readonly ms: number | null;
}

interface SettlerOptions {
  readonly clock: Clock;
  readonly records: Pick<BatchRecords, 'settle'>;
  readonly batch: string;
  readonly holder: string;
  readonly journal: OpenJournal;
  /** These are on record now, for good. */
  readonly onSettled: (row: BatchRow, results: readonly Result[]) => void;
  /** These slices are another's by now: what had come of their lines is forgotten. */
  readonly onStale: (slices: readonly number[]) => void;
  /** It did not work, and is tried again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovered: () => void;
}

/** A group of so many is written at once; a smaller one after so long. */
const GROUP_LINES = 100;
const GROUP_MS = 200;
const MOST_IN_GROUP = 1_000;
const MOST_GROUP_BYTES = 16_777_216;
const AGAIN = { firstMs: 250, longestMs: 30_000 };

/**
 * Puts the results of one batch on record, in groups: written to the journals, to stay, and only then, in one, what has become of the
 * lines and how long the journals are. What fails is tried again for as long as it takes: results wait in memory, and whoever starts lines
 * looks at how much they are. A group that the store may have heard of is said again as it was, before any other.
 */
export class Settler {
  readonly #options: SettlerOptions;
  #waiting: Result[] = [];
  #bytes = 0;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  /** Ends the rest between two tries. */
  #wake: (() => void) | null = null;
  #failures = 0;
  #isClosed = false;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Of all results that are not on record yet. */
  get bytes(): number {
    return this.#bytes;
  }

  get isInTrouble(): boolean {
    return this.#failures > 0;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#running === null;
  }

  add(result: Result): void {
    this.#waiting.push(result);
    this.#bytes += result.line?.bytes.length ?? 0;
    if (this.#waiting.length >= GROUP_LINES) this.#start();
    else this.#timer ??= this.#options.clock.after(GROUP_MS, () => this.#start());
  }

  /** Resolves once everything is on record, at once where nothing waits; does not wait for the next group. */
  async flush(): Promise<void> {
    while (!this.isIdle && !this.#isClosed) {
      this.#start();
      this.#wake?.();
      await this.#running;
    }
  }

  /** What stood in the way may be gone: what waits for its next try has it now. */
  retryNow(): void {
    this.#wake?.();
  }

  /** What is not on record by now is forgotten: its lines will run again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#wake?.();
    await this.#running;
    await this.#options.journal.close().catch(() => {});
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#running ??= this.#settleGroup().finally(() => {
      this.#running = null;
      if (this.#waiting.length === 0 || this.#isClosed) return;
      if (this.#waiting.length >= GROUP_LINES) this.#start();
      else this.#timer ??= this.#options.clock.after(GROUP_MS, () => this.#start());
    });
  }

  async #settleGroup(): Promise<void> {
    let group = this.#next();
    while (group.length > 0 && !this.#isClosed) {
      const left = await this.#try(group);
      if (left === group && !this.#isClosed) await this.#rest();
      group = left;
    }
  }

  /** @returns what is left to be tried of the group: itself where it failed */
  async #try(group: readonly Result[]): Promise<readonly Result[]> {
    const { clock, records, batch, holder, journal, onSettled, onStale, onTrouble, onRecovered } = this.#options;
    try {
      const { out, err } = await journal.append({ out: linesOf(group, 'out'), err: linesOf(group, 'err') });
      const lines = group.map(({ slice, epoch, rank, end, usage }) => ({ slice, epoch, rank, end, usage }));
      const settled = await records.settle({ batch, holder, lines, outputBytes: out, errorBytes: err }, clock.wall());
      if (this.#failures > 0) onRecovered();
      this.#failures = 0;
      if (settled.kind === 'stale') {
        const gone = new Set(settled.slices);
        const kept = group.filter(({ slice }) => !gone.has(slice));
        this.#forget(group.filter(({ slice }) => gone.has(slice)));
        this.#drop(gone);
        onStale(settled.slices);
        return kept;
      }
      journal.commit({ out, err });
      this.#forget(group);
      onSettled(settled.row, group);
      return [];
    } catch (error) {
      this.#failures += 1;
      onTrouble(error);
      return group;
    }
  }

  /** A line may have failed, and ended since: that is told of in the next group. */
  #next(): readonly Result[] {
    const group: Result[] = [];
    const ranks = new Set<number>();
    let bytes = 0;
    for (const result of this.#waiting) {
      if (ranks.has(result.rank) || group.length >= MOST_IN_GROUP || bytes > MOST_GROUP_BYTES) break;
      ranks.add(result.rank);
      bytes += result.line?.bytes.length ?? 0;
      group.push(result);
    }
    this.#waiting = this.#waiting.slice(group.length);
    return group;
  }

  #drop(slices: ReadonlySet<number>): void {
    this.#forget(this.#waiting.filter(({ slice }) => slices.has(slice)));
    this.#waiting = this.#waiting.filter(({ slice }) => !slices.has(slice));
  }

  #forget(results: readonly Result[]): void {
    for (const { line } of results) this.#bytes -= line?.bytes.length ?? 0;
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(backOffMs(AGAIN, this.#failures - 1), () => this.#wake?.());
      this.#wake = () => {
        timer.cancel();
        this.#wake = null;
        resolve();
      };
    });
  }
}

function linesOf(group: readonly Result[], side: Side): Buffer[] {
  return group.flatMap(({ line }) => (line?.side === side ? [line.bytes] : []));
}
