import type { OpenBytes } from '../state/store/file-bytes.ts';

const BLOCK_BYTES = 1_048_576;

/** Reads a file from its beginning, a block of a megabyte at a time: while one is looked at, the next is read. Two are in memory. */
export class ReadAhead {
  readonly #bytes: OpenBytes;
  #at = 0;
  #next: Promise<Buffer>;

  constructor(bytes: OpenBytes) {
    this.#bytes = bytes;
    this.#next = this.#read();
  }

  /** null: those before were the last. It is the caller's, who may give it away. @throws what the bytes do */
  async next(): Promise<Buffer | null> {
    const block = await this.#next;
    if (block.length === 0) return null;
    this.#at += block.length;
    this.#next = this.#read();
    return block;
  }

  /** Resolves when nothing is read any more. */
  async idle(): Promise<void> {
    await this.#next.catch(() => {});
  }

  #read(): Promise<Buffer> {
    const at = this.#at;
    const left = Math.min(BLOCK_BYTES, Math.max(0, this.#bytes.size - at));
    const read = left === 0 ? Promise.resolve(Buffer.alloc(0)) : this.#some(left, at);
    // It is told to whoever asks for it, if anybody does.
    read.catch(() => {});
    return read;
  }

  async #some(length: number, at: number): Promise<Buffer> {
    const block = Buffer.allocUnsafeSlow(length);
    return block.subarray(0, await this.#bytes.read(block, at));
  }
}
