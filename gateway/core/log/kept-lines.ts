import { join } from 'node:path';
import type { Clock, Timer } from '../clock.ts';
import { ByteHeap } from './byte-heap.ts';
import { KEPT_FILES, KeptFile } from './kept-file.ts';

/** Whose lines they are. Each kind of program has files of its own. */
export type LogKeeper = 'gateway' | 'supervisor';

/** Where the lines of a log are kept, besides where they go. */
export interface KeepingPlace {
  /** The file that is written; older ones lie beside it. Its name is no engine's: those end in `.log`. */
  readonly path: string;
  /** Of all files together, about. */
  readonly maxBytes: number;
}

interface KeptLinesOptions extends KeepingPlace {
  readonly clock: Clock;
  /** The line, with its end, that stands in the file for lines that are missing before it. */
  readonly lost: (lines: number) => string;
  /** Lines cannot be kept, by the system's own words. Told once until they can be again. */
  readonly onUnkept: (reason: string) => void;
}

const MIB = 1024 * 1024;
/** A supervisor tells little. */
const SUPERVISOR_MOST_MB = 4;
const FLUSH_MS = 200;
/** How often it is looked whether the file is still the one that has that name. */
const ANEW_MS = 2_000;
/** What is held for a disk that does not keep up; as much may be on its way there. */
const FIRST_BYTES = 64 * 1024;
const MOST_BYTES = 4 * MIB;

export function keptLinesPath(stateDir: string, by: LogKeeper): string {
  return join(stateDir, 'logs', `${by}.jsonl`);
}

/** Where the lines of one of our programs are kept; null where they are not. @param megabytes as `log.keep_mb` has it */
export function keepingPlace(stateDir: string, by: LogKeeper, megabytes: number): KeepingPlace | null {
  if (megabytes === 0) return null;
  const most = by === 'supervisor' ? Math.min(megabytes, SUPERVISOR_MOST_MB) : megabytes;
  return { path: keptLinesPath(stateDir, by), maxBytes: most * MIB };
}

/**
 * Lines of a log on their way into files, some at a time, written by another thread. Nothing waits for it and nothing fails with it: where
 * a disk is full, slow or gone, lines are lost and counted.
 */
export class KeptLines {
  readonly #options: KeptLinesOptions;
  readonly #file: KeptFile;
  readonly #lines = new ByteHeap(FIRST_BYTES, MOST_BYTES);
  /** Lines that wait, those that one of them stands for included. */
  #count = 0;
  #missing = 0;
  #timer: Timer | null = null;
  #isWriting = false;
  #isUnkept = false;
  #openedAt: number;

  constructor(options: KeptLinesOptions) {
    this.#options = options;
    this.#file = new KeptFile(options.path, options.maxBytes / KEPT_FILES);
    this.#openedAt = options.clock.now();
    process.once('exit', () => this.flushSync());
  }

  write(line: string): void {
    if (!this.#lines.add(this.#missing > 0 ? this.#options.lost(this.#missing) + line : line)) {
      this.#missing += 1;
      return;
    }
    this.#count += this.#missing + 1;
    this.#missing = 0;
    if (!this.#isWriting) this.#timer ??= this.#options.clock.after(FLUSH_MS, () => this.#flush());
  }

  /** What is not on its way yet. What is comes there by itself: the system's threads end what they have begun. */
  flushSync(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#lines.isEmpty) return;
    const count = this.#count;
    try {
      this.#file.appendSync(this.#take());
    } catch {
      // Nobody is left to be told.
      this.#missing += count;
    }
  }

  #flush(): void {
    this.#timer = null;
    if (this.#lines.isEmpty) return;
    this.#isWriting = true;
    const now = this.#options.clock.now();
    if (now - this.#openedAt < ANEW_MS) return this.#append();
    this.#openedAt = now;
    this.#file.letGo(() => this.#append());
  }

  #append(): void {
    let count: number | null = null;
    let bytes: Buffer | null = null;
    const take = (): Buffer => {
      count = this.#count;
      return (bytes = this.#take());
    };
    this.#file.append(take, (error) => {
      this.#isWriting = false;
      this.#lines.giveBack(bytes ?? take());
      this.#ended(error, count ?? 0);
      if (!this.#lines.isEmpty) this.#timer ??= this.#options.clock.after(FLUSH_MS, () => this.#flush());
    });
  }

  #take(): Buffer {
    this.#count = 0;
    return this.#lines.take();
  }

  #ended(error: Error | null, count: number): void {
    if (error === null) {
      this.#isUnkept = false;
      return;
    }
    this.#missing += count;
    if (this.#isUnkept) return;
    this.#isUnkept = true;
    this.#options.onUnkept(error.message);
  }
}
