import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

const PIECE_BYTES = 64 * 1024;
/** What is kept of a line, in characters: more than the longest of ours. */
const MOST_CHARS = 64 * 1024;

/** The lines of a file that grows, is emptied, moved away and made anew, a piece at a time. */
export class LineReader {
  readonly #path: string;
  readonly #onTrouble: (reason: string) => void;
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES);
  #letters = new StringDecoder('utf8');
  #fd: number | null = null;
  #inode = 0;
  #offset: number;
  #held = '';
  /** Characters of the line that were not held. */
  #cut = 0;
  #latestMs = 0;

  /** @param onTrouble told why it cannot be read; not where it is only gone */
  constructor(path: string, offset: number, onTrouble: (reason: string) => void) {
    this.#path = path;
    this.#offset = offset;
    this.#onTrouble = onTrouble;
    this.#open();
  }

  /** When it was written to last, in wall-clock milliseconds. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** Lines that have an end, of the next piece; null where there is no more now. */
  read(): string[] | null {
    if (this.#fd === null) return null;
    try {
      const { size, mtimeMs } = fstatSync(this.#fd);
      this.#latestMs = mtimeMs;
      // Somebody has emptied it.
      if (size < this.#offset) this.#offset = 0;
      const bytes = readSync(this.#fd, this.#piece, 0, PIECE_BYTES, this.#offset);
      if (bytes === 0) return null;
      this.#offset += bytes;
      return this.#lines(this.#letters.write(this.#piece.subarray(0, bytes)));
    } catch (error) {
      this.#onTrouble((error as Error).message);
      this.close();
      return null;
    }
  }

  /** The last line, where it has no end; null where there is none. */
  rest(): string | null {
    return this.#held === '' && this.#cut === 0 ? null : this.#take();
  }

  /** Where another file has the name now, goes on with that. To be asked when the old one is read to its end. */
  goOn(): boolean {
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino ?? this.#inode;
    if (inode === this.#inode && this.#fd !== null) return false;
    this.close();
    if (inode !== this.#inode) this.#offset = 0;
    return this.#open();
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #open(): boolean {
    try {
      this.#fd = openSync(this.#path, 'r');
      const { ino, mtimeMs } = fstatSync(this.#fd);
      this.#inode = ino;
      this.#latestMs = mtimeMs;
      this.#letters = new StringDecoder('utf8');
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.#onTrouble(message);
      return false;
    }
  }

  #lines(text: string): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      this.#hold(text.slice(from, end));
      lines.push(this.#take());
      from = end + 1;
    }
    this.#hold(text.slice(from));
    return lines;
  }

  #hold(part: string): void {
    const all = this.#held + part;
    // A progress bar that never ends its line: what is shown of it is the last.
    const text = all.length > MOST_CHARS && all.includes('\r') ? all.slice(all.lastIndexOf('\r') + 1) : all;
    this.#held = text.slice(0, MOST_CHARS);
    this.#cut += text.length - this.#held.length;
  }

  #take(): string {
    const line = this.#cut === 0 ? this.#held : `${this.#held}… (${this.#cut} more characters)`;
    this.#held = '';
    this.#cut = 0;
    return line;
  }
}
