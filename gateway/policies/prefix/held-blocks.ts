const NONE = -1;
const FIRST_ROOM = 256;
/** What a block takes in here, in bytes: its name, three links, and the head of a bucket, of which there are up to two a block. */
export const BYTES_A_BLOCK = 28;

/**
 * Blocks that a worker is believed to have in its prefix cache, up to so many; the least recently used one goes first. A prompt's later
 * blocks are always older than its earlier ones (as vLLM frees them: the last first), so that whoever has a block has all before it, and how
 * much of a prompt there is takes a few looks (`matched`). In plain arrays: its size is what `bytes` says, and nothing is left to collect.
 */
export class HeldBlocks {
  #most: number;
  #size = 0;
  #names: Float64Array;
  /** The first block of each bucket, and the next one in the same. */
  #buckets: Int32Array;
  #next: Int32Array;
  #older: Int32Array;
  #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;

  constructor(most: number) {
    this.#most = most;
    const room = Math.min(most, FIRST_ROOM);
    this.#names = new Float64Array(room);
    this.#next = new Int32Array(room);
    this.#older = new Int32Array(room);
    this.#newer = new Int32Array(room);
    this.#buckets = new Int32Array(bucketsFor(room)).fill(NONE);
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#names.length * 20 + this.#buckets.length * 4;
  }

  /** How many of a prompt's blocks there are, from its first on. Looks at about as many as the number has binary digits. */
  matched(blocks: readonly number[]): number {
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#find(blocks[middle - 1]!) === NONE) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  /** The worker has just been sent this prompt. What does not fit is its end. */
  hold(blocks: readonly number[]): void {
    for (let at = Math.min(blocks.length, this.#most) - 1; at >= 0; at--) this.#touch(blocks[at]!);
  }

  /** Holds no more than so many from now on. */
  limit(most: number): void {
    if (most === this.#most) return;
    this.#most = most;
    if (this.#names.length > most) this.#rebuild(most);
  }

  #touch(name: number): void {
    let at = this.#find(name);
    if (at === NONE) at = this.#add(name);
    else this.#unlink(at);
    this.#older[at] = this.#newest;
    this.#newer[at] = NONE;
    if (this.#newest === NONE) this.#oldest = at;
    else this.#newer[this.#newest] = at;
    this.#newest = at;
  }

  #add(name: number): number {
    let at = this.#size;
    if (at < this.#names.length) this.#size++;
    else if (this.#names.length < this.#most) {
      this.#rebuild(Math.min(this.#most, this.#names.length * 2));
      return this.#add(name);
    } else {
      at = this.#oldest;
      this.#unlink(at);
      this.#leaveBucket(at);
    }
    const bucket = this.#bucketOf(name);
    this.#names[at] = name;
    this.#next[at] = this.#buckets[bucket]!;
    this.#buckets[bucket] = at;
    return at;
  }

  #unlink(at: number): void {
    const older = this.#older[at]!;
    const newer = this.#newer[at]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }

  #leaveBucket(at: number): void {
    const bucket = this.#bucketOf(this.#names[at]!);
    let before = this.#buckets[bucket]!;
    if (before === at) {
      this.#buckets[bucket] = this.#next[at]!;
      return;
    }
    while (this.#next[before] !== at) before = this.#next[before]!;
    this.#next[before] = this.#next[at]!;
  }

  #find(name: number): number {
    let at = this.#buckets[this.#bucketOf(name)]!;
    while (at !== NONE && this.#names[at] !== name) at = this.#next[at]!;
    return at;
  }

  #bucketOf(name: number): number {
    return (name >>> 0) & (this.#buckets.length - 1);
  }

  /** All of it, the newest at least, in room for so many. */
  #rebuild(room: number): void {
    const fresh = new HeldBlocks(0);
    fresh.#most = room;
    fresh.#names = new Float64Array(room);
    fresh.#next = new Int32Array(room);
    fresh.#older = new Int32Array(room);
    fresh.#newer = new Int32Array(room);
    fresh.#buckets = new Int32Array(bucketsFor(room)).fill(NONE);
    for (let at = this.#oldest; at !== NONE; at = this.#newer[at]!) fresh.#touch(this.#names[at]!);
    this.#names = fresh.#names;
    this.#next = fresh.#next;
    this.#older = fresh.#older;
    this.#newer = fresh.#newer;
    this.#buckets = fresh.#buckets;
    this.#size = fresh.#size;
    this.#oldest = fresh.#oldest;
    this.#newest = fresh.#newest;
  }
}

/** A power of two. */
function bucketsFor(room: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, room)));
}
