const FIRST_BYTES = 4_096;
/** Unused room that is not worth a copy. */
const SPARE_BYTES = 65_536;

/**
 * Gathers a body from pieces at a cost in proportion to its bytes. A list of the pieces would cost some hundred bytes for each, and a
 * client may send a piece a byte; what it declares as the length is no reason to set that much aside either.
 */
export class GrowingBytes {
  #buffer: Buffer | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (this.#buffer === null) this.#buffer = piece;
    else {
      if (length > this.#buffer.length) {
        // Not from Node's shared pool, which a slice would keep alive.
        const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * length));
        this.#buffer.copy(larger, 0, 0, this.#length);
        this.#buffer = larger;
      }
      piece.copy(this.#buffer, this.#length);
    }
    this.#length = length;
  }

  /** All of it so far; nothing may be added afterwards. A single piece is handed out as it came, without a copy. */
  bytes(): Buffer {
    const buffer = this.#buffer;
    if (buffer === null) return Buffer.alloc(0);
    const used = buffer.subarray(0, this.#length);
    return buffer.length - this.#length > SPARE_BYTES ? Buffer.from(used) : used;
  }
}
