import { writeSync } from 'node:fs';
import type { Clock, Timer } from '../clock.ts';

/** Where lines go. `flushSync` is called by `flush`, if there is one. */
export interface LogDestination {
  write(line: string): unknown;
  flushSync?(): void;
}

/** Writes what it can of the bytes at once. @returns how many @throws EAGAIN where there is no room now, anything else where it cannot */
type Output = (bytes: Buffer) => number;

/**
 * Bytes gathered before a write, and how long they may wait for more. It is what a pipe takes in one piece (PIPE_BUF): several processes
 * that write whole lines of no more than this to one pipe do not cut each other's in two.
 */
const BUFFER_BYTES = 4096;
const FLUSH_INTERVAL_MS = 200;
/** More than this is not kept for a reader that does not read. */
const MAX_WAITING_BYTES = 1_048_576;
/** How often a reader that does not keep up is tried again, and how long it is waited for at the very end. */
const AGAIN_MS = 50;
const END_TRIES = 20;

/**
 * Lines on their way out, gathered where that is wanted. Where they cannot be written, because the terminal is closed, the disk full or
 * the reader asleep, they are lost and counted: a gateway neither stops nor waits for its log. `lost` makes the line that tells how many.
 * Not sonic-boom (4.2.1, tried): its `flushSync` never returns on a full disk, and its process does not end while a pipe's reader sleeps.
 */
export class StandardOutput implements LogDestination {
  readonly #clock: Clock;
  readonly #gathers: boolean;
  readonly #lost: (lines: number) => string;
  readonly #output: Output;
  #lines: string[] = [];
  #bytes = 0;
  /** How many lines `#lines` stands for: one of them may tell of others that were lost. */
  #count = 0;
  /** The rest of a write that was begun: nothing else goes out before it. */
  #rest: Buffer | null = null;
  #restCount = 0;
  #missing = 0;
  #timer: Timer | null = null;

  constructor(clock: Clock, gathers: boolean, lost: (lines: number) => string, output: Output = standardOutput()) {
    this.#clock = clock;
    this.#gathers = gathers;
    this.#lost = lost;
    this.#output = output;
    process.once('exit', () => this.flushSync());
  }

  write(line: string): void {
    if (this.#bytes > MAX_WAITING_BYTES) {
      this.#missing += 1;
      return;
    }
    if (this.#gathers && this.#rest === null && this.#bytes > 0 && this.#bytes + line.length > BUFFER_BYTES) this.#flush();
    if (this.#missing > 0) this.#lines.push(this.#lost(this.#missing));
    this.#lines.push(line);
    this.#count += this.#missing + 1;
    this.#missing = 0;
    this.#bytes += line.length;
    // A reader that does not keep up is not tried again with every line.
    if (this.#rest === null && (!this.#gathers || this.#bytes >= BUFFER_BYTES)) this.#flush();
    else this.#timer ??= this.#clock.after(this.#rest === null ? FLUSH_INTERVAL_MS : AGAIN_MS, () => this.#flush());
  }

  /** Waits a moment for a reader that is behind. */
  flushSync(): void {
    const nap = new Int32Array(new SharedArrayBuffer(4));
    for (let tries = 0; !this.#flush() && tries < END_TRIES; tries += 1) Atomics.wait(nap, 0, 0, AGAIN_MS);
  }

  /** false: there is no room for all of it now. */
  #flush(): boolean {
    this.#timer?.cancel();
    this.#timer = null;
    while (this.#rest !== null || this.#lines.length > 0) {
      this.#rest ??= this.#take();
      try {
        const written = this.#output(this.#rest);
        this.#rest = written < this.#rest.length ? this.#rest.subarray(written) : null;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
          this.#timer = this.#clock.after(AGAIN_MS, () => this.#flush());
          return false;
        }
        this.#drop();
      }
    }
    return true;
  }

  #take(): Buffer {
    if (this.#bytes > BUFFER_BYTES) return this.#takeFirst();
    const bytes = Buffer.from(this.#lines.join(''));
    this.#restCount = this.#count;
    this.#empty();
    return bytes;
  }

  /** As many whole lines as go out in one piece; at least one. */
  #takeFirst(): Buffer {
    let bytes = 0;
    let lines = 0;
    for (const line of this.#lines) {
      const more = Buffer.byteLength(line);
      if (lines > 0 && bytes + more > BUFFER_BYTES) break;
      bytes += more;
      lines += 1;
    }
    const piece = this.#lines.splice(0, lines);
    // A line that tells of others stands for them as long as it is not lost itself; then there is one like it.
    this.#restCount = this.#count - this.#lines.length;
    this.#count = this.#lines.length;
    const text = piece.join('');
    this.#bytes = this.#lines.length === 0 ? 0 : Math.max(0, this.#bytes - text.length);
    return Buffer.from(text);
  }

  #drop(): void {
    this.#missing += this.#restCount + this.#count;
    this.#rest = null;
    this.#empty();
  }

  #empty(): void {
    this.#lines = [];
    this.#bytes = this.#count = 0;
  }
}

/** What the line says that stands where others are missing. */
export function lostMessage(lines: number): string {
  return `${lines} or more lines before this one could not be written`;
}

/** The handle of Node's stream on a pipe or a socket; not documented, and the only way to write without blocking. */
interface PipeHandle {
  readonly setBlocking?: (blocking: boolean) => unknown;
}

function standardOutput(): Output {
  const { _handle: handle } = process.stdout as { readonly _handle?: PipeHandle };
  return (bytes) => {
    // Then a pipe says EAGAIN instead of waiting for its reader. Before every write: a child that shared the pipe sets it back as it ends.
    handle?.setBlocking?.(false);
    return writeSync(1, bytes);
  };
}
