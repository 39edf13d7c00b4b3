import type { OpenBytes } from '../state/store/file-bytes.ts';

const BLOCK_BYTES = 1_048_576;

/** Reads a file from its beginning, a block of a megabyte at a time: while one is looked at, the next is read. Two are in memory. */
export class ReadAhead {
  readonly #bytes: OpenBytes;
  #at = 0;
  #next: Promise<Buffer>;

  constructor(bytes: OpenBytes) {
    this.#bytes = bytes;
    this.#next = this.#read(null);
  }

  /**
   * It is the caller's, who may give it away. @param used one that nobody needs any more, to be written over: a new one for each would be memory
   * until somebody collects it @returns null: those before were the last @throws what the bytes do
   */
  async next(used: Uint8Array | null): Promise<Buffer | null> {
    const block = await this.#next;
    if (block.length === 0) return null;
    this.#at += block.length;
    this.#next = this.#read(used);
    return block;
  }

  /** Resolves when nothing is read any more. */
  async idle(): Promise<void> {
    await this.#next.catch(() => {});
  }

  #read(used: Uint8Array | null): Promise<Buffer> {
    const at = this.#at;
    const left = Math.min(BLOCK_BYTES, Math.max(0, this.#bytes.size - at));
    const read = left === 0 ? Promise.resolve(Buffer.alloc(0)) : this.#some(left, at, used);
    // It is told to whoever asks for it, if anybody does.
    read.catch(() => {});
    return read;
  }

  async #some(length: number, at: number, used: Uint8Array | null): Promise<Buffer> {
    const isRoomy = used !== null && used.buffer.byteLength >= length;
    const block = isRoomy ? Buffer.from(used.buffer, 0, length) : Buffer.allocUnsafeSlow(length);
    return block.subarray(0, await this.#bytes.read(block, at));
  }
}
