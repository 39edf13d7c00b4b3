import { closeSync, fstatSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { openFile } from './open-file.ts';

const PIECE_BYTES = 64 * 1024;
/** What is kept of a line, in characters: more than the longest of ours. */
const MOST_CHARS = 64 * 1024;

/** The lines of one file, whatever name it has by now, a piece at a time. */
export class OpenLines {
  readonly inode: number;
  readonly #fd: number;
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #letters = new StringDecoder('utf8');
  #offset: number;
  #held = '';
  /** Characters of the line that were not held. */
  #cut = 0;
  #latestMs: number;

  /** @throws Error why it cannot be read, with the system's code */
  constructor(path: string, offset: number) {
    this.#fd = openFile(path);
    const { ino, mtimeMs } = fstatSync(this.#fd);
    this.inode = ino;
    this.#latestMs = mtimeMs;
    this.#offset = offset;
  }

  /** In bytes: how far it is read. */
  get offset(): number {
    return this.#offset;
  }

  /** When it was written to last, in wall-clock milliseconds. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** Lines that have an end, of the next piece; null where there is no more now. @throws Error with the system's code */
  read(): string[] | null {
    const { size, mtimeMs } = fstatSync(this.#fd);
    this.#latestMs = mtimeMs;
    // Somebody has emptied it.
    if (size < this.#offset) this.#offset = 0;
    const bytes = readSync(this.#fd, this.#piece, 0, PIECE_BYTES, this.#offset);
    if (bytes === 0) return null;
    this.#offset += bytes;
    return this.#lines(this.#letters.write(this.#piece.subarray(0, bytes)));
  }

  /** The last line, where it has no end; null where there is none. */
  rest(): string | null {
    return this.#held === '' && this.#cut === 0 ? null : this.#take();
  }

  close(): void {
    closeSync(this.#fd);
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
