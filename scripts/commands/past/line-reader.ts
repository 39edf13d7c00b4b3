import { type Clock, systemClock } from '../../../gateway/core/clock.ts';
import { statOf } from './open-file.ts';
import { OpenLines } from './open-lines.ts';

/** Others write on to a file that has given way until they see it, in two seconds. */
const STAY_MS = 5_000;
/** Each is as large as a file may become: more in those seconds is no log. */
const MOST_FORMER = 4;

interface Former {
  readonly lines: OpenLines;
  /** Monotonic milliseconds. */
  readonly untilMs: number;
}

/** The lines of a file that grows, is emptied, moved away and made anew, a piece at a time. */
export class LineReader {
  readonly #path: string;
  readonly #onTrouble: (reason: string) => void;
  readonly #clock: Clock;
  #offset: number;
  #now: OpenLines | null = null;
  /** What had the name before, the oldest first. */
  #former: Former[] = [];
  #inode = 0;
  #latestMs = 0;
  /** What the one before ended with, without an end. */
  #rest: string | null = null;

  /** @param onTrouble told why it cannot be read; not where it is only gone */
  constructor(path: string, offset: number, onTrouble: (reason: string) => void, clock: Clock = systemClock) {
    this.#path = path;
    this.#offset = offset;
    this.#onTrouble = onTrouble;
    this.#clock = clock;
    this.#open();
  }

  /** When it was written to last, in wall-clock milliseconds. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** Lines that have an end, of the next piece; null where there is no more now. */
  read(): string[] | null {
    for (const former of [...this.#former]) {
      const lines = this.#readOf(former.lines);
      if (lines !== null) return lines;
      if (this.#clock.now() < former.untilMs) continue;
      const rest = former.lines.rest();
      this.#leave(former);
      if (rest !== null) return [rest];
    }
    return this.#now && this.#readOf(this.#now);
  }

  /** The last line, where it has no end; null where there is none. */
  rest(): string | null {
    const rest = this.#rest;
    this.#rest = null;
    return rest ?? this.#now?.rest() ?? null;
  }

  /** Where another file has the name now, goes on with that, and stays with the old one for a while. To be asked when it is read to its end. */
  goOn(): boolean {
    const inode = statOf(this.#path)?.ino ?? this.#inode;
    if (inode === this.#inode && this.#now !== null) return false;
    if (inode !== this.#inode) this.#offset = 0;
    if (this.#now !== null) {
      this.#rest = this.#now.rest();
      this.#former.push({ lines: this.#now, untilMs: this.#clock.now() + STAY_MS });
      this.#now = null;
      if (this.#former.length > MOST_FORMER) this.#leave(this.#former[0]!);
    }
    return this.#open();
  }

  close(): void {
    this.#now?.close();
    this.#now = null;
    for (const former of [...this.#former]) this.#leave(former);
  }

  #readOf(lines: OpenLines): string[] | null {
    try {
      return lines.read();
    } catch (error) {
      this.#onTrouble((error as Error).message);
      if (lines !== this.#now) return null;
      this.#offset = lines.offset;
      lines.close();
      this.#now = null;
      return null;
    } finally {
      this.#latestMs = lines.latestMs;
    }
  }

  #leave(former: Former): void {
    former.lines.close();
    this.#former = this.#former.filter((one) => one !== former);
  }

  #open(): boolean {
    try {
      this.#now = new OpenLines(this.#path, this.#offset);
      this.#inode = this.#now.inode;
      this.#latestMs = this.#now.latestMs;
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.#onTrouble(message);
      return false;
    }
  }
}
