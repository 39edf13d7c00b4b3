/** Lines as bytes, one behind the other, until they are taken. What has been taken is lent: it is to be given back, and used again. */
export class ByteHeap {
  readonly #mostBytes: number;
  #bytes: Buffer;
  #spare: Buffer | null = null;
  #used = 0;

  /** @param mostBytes held at most */
  constructor(firstBytes: number, mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#bytes = Buffer.allocUnsafeSlow(firstBytes);
  }

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** false: there is no room for it. */
  add(text: string): boolean {
    // No character takes more than three.
    const most = this.#used + text.length * 3;
    if (most > this.#bytes.length && !this.#grow(most)) return false;
    this.#used += this.#bytes.write(text, this.#used);
    return true;
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    this.#bytes = this.#spare ?? Buffer.allocUnsafeSlow(this.#bytes.length);
    this.#spare = null;
    return taken;
  }

  giveBack({ buffer }: Buffer): void {
    this.#spare = Buffer.from(buffer);
  }

  #grow(most: number): boolean {
    if (most > this.#mostBytes) return false;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#mostBytes, Math.max(most, 2 * this.#bytes.length)));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
    return true;
  }
}
