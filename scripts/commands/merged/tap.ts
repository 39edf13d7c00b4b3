import { LineReader } from '../past/line-reader.ts';
import type { Line, Parser } from './line.ts';

interface TapOptions {
  readonly path: string;
  /** In bytes: where to begin. */
  readonly offset: number;
  readonly parser: Parser;
  readonly onTrouble: (reason: string) => void;
  /** Several processes write to it, each some lines at a time: what is a little late goes to its place among so many. */
  readonly isShared: boolean;
  /** The file goes on: what has no end yet is no line. */
  readonly isLive: boolean;
}

const SHARED_LINES = 4_096;
/** Later than that it is a clock that was set back, and the order of the file holds. */
const LATE_MS = 2_000;

/** The lines of one file, one at a time; what is held of it is bounded. */
export class Tap {
  readonly #options: TapOptions;
  readonly #reader: LineReader;
  #queue: Line[] = [];
  #next = 0;
  /** It is read to its end, and need not be asked for each line of others. */
  #isDry = false;

  constructor(options: TapOptions) {
    this.#options = options;
    this.#reader = new LineReader(options.path, options.offset, options.onTrouble);
  }

  /** A file that goes on may have more by now. */
  look(): void {
    if (this.#options.isLive) this.#isDry = false;
  }

  /** The next line, which stays the next until it is taken; null: there is none until the next look. */
  peek(): Line | null {
    const ahead = this.#options.isShared ? SHARED_LINES : 1;
    while (!this.#isDry && this.#queue.length - this.#next < ahead) this.#isDry = !this.#fill();
    return this.#queue[this.#next] ?? null;
  }

  take(): void {
    this.#next += 1;
    if (this.#next < this.#queue.length && this.#next < SHARED_LINES) return;
    this.#queue = this.#queue.slice(this.#next);
    this.#next = 0;
  }

  close(): void {
    this.#reader.close();
  }

  /** false: there is no more now. */
  #fill(): boolean {
    const { parser, isLive } = this.#options;
    const reader = this.#reader;
    const lines = reader.read();
    if (lines !== null) {
      for (const line of lines) this.#add(parser.parse(line, reader.latestMs));
      return true;
    }
    const isAnother = isLive && reader.goOn();
    const rest = isLive && !isAnother ? null : reader.rest();
    if (rest !== null) this.#add(parser.parse(rest, reader.latestMs));
    this.#add(parser.rest(reader.latestMs));
    return isAnother || rest !== null;
  }

  #add(lines: readonly Line[]): void {
    for (const line of lines) {
      let at = this.#queue.length;
      if (this.#options.isShared) while (at > this.#next && isLate(line, this.#queue[at - 1]!)) at -= 1;
      if (at === this.#queue.length) this.#queue.push(line);
      else this.#queue.splice(at, 0, line);
    }
  }
}

function isLate(line: Line, before: Line): boolean {
  return line.atMs < before.atMs && before.atMs - line.atMs < LATE_MS;
}
