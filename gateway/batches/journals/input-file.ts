import { type FileHandle, open } from 'node:fs/promises';

/** What is read at once: lines that run together mostly lie together. */
const BLOCK_BYTES = 1_048_576;
const MOST_BLOCKS = 6;

/** The input file of a batch, of which lines are read. Open as long as the batch runs: it may be deleted meanwhile. */
export class InputFile {
  readonly #file: FileHandle;
  readonly #blockBytes: number;
  /** By their number, the one used last at the end. */
  readonly #blocks = new Map<number, Promise<Buffer>>();
  /** How often the disk was asked. */
  reads = 0;

  private constructor(file: FileHandle, blockBytes: number) {
    this.#file = file;
    this.#blockBytes = blockBytes;
  }

  /** @throws what the system says */
  static async open(path: string, blockBytes = BLOCK_BYTES): Promise<InputFile> {
    return new InputFile(await open(path, 'r'), blockBytes);
  }

  /** @throws what the system says, and where the file is shorter than that */
  async line(offset: number, length: number): Promise<Buffer> {
    const [first, last] = [Math.floor(offset / this.#blockBytes), Math.floor((offset + length - 1) / this.#blockBytes)];
    // A long line is not worth keeping blocks of.
    if (last - first > 1) return this.#whole(offset, length);
    const pieces: Buffer[] = [];
    for (let number = first; number <= last; number++) {
      const block = await this.#block(number);
      const start = number * this.#blockBytes;
      pieces.push(block.subarray(Math.max(0, offset - start), Math.max(0, offset + length - start)));
    }
    const line = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    if (line.length < length) throw new Error(`it ends before byte ${offset + length}`);
    // A copy: a block of a megabyte is not to live as long as each line of it.
    return pieces.length === 1 ? Buffer.from(line) : line;
  }

  async close(): Promise<void> {
    this.#blocks.clear();
    await this.#file.close();
  }

  #block(number: number): Promise<Buffer> {
    const known = this.#blocks.get(number);
    const block = known ?? this.#read(number);
    this.#blocks.delete(number);
    this.#blocks.set(number, block);
    if (known === undefined && this.#blocks.size > MOST_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value!);
    return block;
  }

  async #read(number: number): Promise<Buffer> {
    try {
      return await this.#some(number * this.#blockBytes, this.#blockBytes);
    } catch (error) {
      this.#blocks.delete(number);
      throw error;
    }
  }

  async #whole(offset: number, length: number): Promise<Buffer> {
    const bytes = await this.#some(offset, length);
    if (bytes.length < length) throw new Error(`it ends before byte ${offset + length}`);
    return bytes;
  }

  /** As much of that as there is. */
  async #some(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let read = 0;
    while (read < length) {
      this.reads += 1;
      const { bytesRead } = await this.#file.read(bytes, read, length - read, offset + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  }
}
