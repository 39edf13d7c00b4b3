import type { FileBytes, OpenBytes } from '../../state/store/file-bytes.ts';

/** What is read at once: lines that run together mostly lie together. */
const BLOCK_BYTES = 1_048_576;
const MOST_BLOCKS = 6;

/** The input file of a batch, of which lines are read. Open as long as the batch runs: it may be deleted meanwhile. */
export class InputFile {
  readonly #bytes: OpenBytes;
  readonly #blockBytes: number;
  /** By their number, the one used last at the end. */
  readonly #blocks = new Map<number, Promise<Buffer>>();
  /** How often the disk, or the server, was asked. */
  reads = 0;

  private constructor(bytes: OpenBytes, blockBytes: number) {
    this.#bytes = bytes;
    this.#blockBytes = blockBytes;
  }

  /** @throws what the system says */
  static async open(bytes: Pick<FileBytes, 'open'>, id: string, blockBytes = BLOCK_BYTES): Promise<InputFile> {
    return new InputFile(await bytes.open(id), blockBytes);
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
    await this.#bytes.close();
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
    this.reads += 1;
    return bytes.subarray(0, await this.#bytes.read(bytes, offset));
  }
}
