/** The last bytes pushed, at most `size`, in memory that is taken once. */
export class ByteRing {
  readonly #bytes: Buffer;
  /** Where the next byte goes. */
  #next = 0;
  #isFull = false;

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size);
  }

  push(chunk: Buffer): void {
    const size = this.#bytes.length;
    const kept = chunk.subarray(Math.max(0, chunk.length - size));
    const first = kept.copy(this.#bytes, this.#next);
    kept.copy(this.#bytes, 0, first);
    if (this.#next + chunk.length >= size) this.#isFull = true;
    this.#next = (this.#next + kept.length) % size;
  }

  /** Whether something was pushed out: what is left may begin in the middle of a line. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** A copy, oldest first. */
  contents(): Buffer {
    const newest = this.#bytes.subarray(0, this.#next);
    return this.#isFull ? Buffer.concat([this.#bytes.subarray(this.#next), newest]) : Buffer.from(newest);
  }
}
