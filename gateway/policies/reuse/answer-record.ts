/** How much all records of a process may hold together. */
export class RecordMemory {
  readonly #most: number;
  #used = 0;

  constructor(mostBytes: number) {
    this.#most = mostBytes;
  }

  get used(): number {
    return this.#used;
  }

  get isFull(): boolean {
    return this.#used > this.#most;
  }

  change(bytes: number): void {
    this.#used += bytes;
  }
}

const FIRST_BYTES = 2_048;

/** The bytes of one answer's body, from some place on. Whoever has been handed a part of them may keep it: they are not written again. */
export class AnswerRecord {
  readonly #memory: RecordMemory;
  #bytes: Buffer = Buffer.alloc(0);
  #used = 0;
  /** How many bytes of the answer came before the first that is kept. */
  #start = 0;

  constructor(memory: RecordMemory) {
    this.#memory = memory;
  }

  /** How many bytes of the answer it knows of, kept or not. */
  get end(): number {
    return this.#start + this.#used;
  }

  get size(): number {
    return this.#used;
  }

  append(piece: Uint8Array): void {
    const needed = this.#used + piece.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(piece, this.#used);
    this.#used = needed;
  }

  /** The answer is at `place`, and what came before is not kept. */
  skipTo(place: number): void {
    this.forget();
    this.#start = place;
  }

  /** What is kept from that place of the answer on. */
  from(place: number): Buffer {
    return this.#bytes.subarray(Math.max(0, place - this.#start), this.#used);
  }

  /** Keeps nothing of what comes before `place`. */
  forgetBefore(place: number): void {
    const gone = Math.min(this.#used, place - this.#start);
    if (gone <= 0) return;
    const left = Buffer.from(this.#bytes.subarray(gone, this.#used));
    this.#resize(left);
    this.#used = left.length;
    this.#start += gone;
  }

  forget(): void {
    this.#start += this.#used;
    this.#used = 0;
    this.#resize(Buffer.alloc(0));
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#resize(larger);
  }

  #resize(bytes: Buffer): void {
    this.#memory.change(bytes.length - this.#bytes.length);
    this.#bytes = bytes;
  }
}
