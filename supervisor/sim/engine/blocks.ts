/**
 * The KV cache's blocks. A block is free, or held by one or more sequences (which share a prefix). A free block keeps what was computed
 * into it until it is taken for something else, the least recently freed first: that is the prefix cache.
 */
export class BlockPool {
  readonly total: number;
  #free: number;
  readonly #holders: Int32Array;
  /** The free blocks as a ring through index `total`, so that any of them leaves in constant time. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #hashOf: (number | undefined)[];
  /** Blocks with the same content are all kept, the one that was first found first (vLLM's `BlockHashToBlockMap`). */
  readonly #byHash = new Map<number, number | number[]>();

  constructor(total: number) {
    this.total = total;
    this.#free = total;
    this.#holders = new Int32Array(total);
    this.#next = new Int32Array(total + 1);
    this.#previous = new Int32Array(total + 1);
    this.#hashOf = new Array<number | undefined>(total);
    for (let block = 0; block <= total; block++) {
      this.#next[block] = block === total ? 0 : block + 1;
      this.#previous[block] = block === 0 ? total : block - 1;
    }
  }

  /** Blocks that nobody holds, cached ones included. */
  get free(): number {
    return this.#free;
  }

  /** The share of blocks that are held, 0..1. */
  get usage(): number {
    return this.total === 0 ? 0 : (this.total - this.#free) / this.total;
  }

  /** How many sequences hold `block`. */
  holders(block: number): number {
    return this.#holders[block] ?? 0;
  }

  /** The block that holds what hashes to `hash`, held or free. */
  find(hash: number): number | undefined {
    const found = this.#byHash.get(hash);
    return typeof found === 'object' ? found[0] : found;
  }

  isFree(block: number): boolean {
    return this.holders(block) === 0;
  }

  /** Takes one block that nobody holds and forgets what it cached. Call only while `free` is above zero. */
  take(): number {
    const block = this.#next[this.total]!;
    if (block === this.total) throw new Error('no free block');
    const hash = this.#hashOf[block];
    if (hash !== undefined) {
      this.#hashOf[block] = undefined;
      this.#forget(hash, block);
    }
    this.share(block);
    return block;
  }

  /** One more holder for a block, free or held. */
  share(block: number): void {
    if (this.#holders[block]!++ > 0) return;
    const next = this.#next[block]!;
    const previous = this.#previous[block]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#free--;
  }

  /** One holder fewer; without any, the block goes to the end of the free ones. */
  release(block: number): void {
    const left = --this.#holders[block]!;
    if (left > 0) return;
    if (left < 0) throw new Error(`block ${block} released twice`);
    const last = this.#previous[this.total]!;
    this.#next[last] = block;
    this.#previous[block] = last;
    this.#next[block] = this.total;
    this.#previous[this.total] = block;
    this.#free++;
  }

  /** Remembers what a full block holds. The first block with a hash stays the one that is found, until it is taken. */
  remember(block: number, hash: number): void {
    this.#hashOf[block] = hash;
    const found = this.#byHash.get(hash);
    if (found === undefined) this.#byHash.set(hash, block);
    else if (typeof found === 'object') found.push(block);
    else if (found !== block) this.#byHash.set(hash, [found, block]);
  }

  #forget(hash: number, block: number): void {
    const found = this.#byHash.get(hash);
    if (found === block) this.#byHash.delete(hash);
    if (typeof found !== 'object') return;
    found.splice(found.indexOf(block), 1);
    if (found.length === 1) this.#byHash.set(hash, found[0]!);
  }

  /** Forgets everything that is cached; held blocks stay held. */
  forgetAll(): void {
    this.#byHash.clear();
    this.#hashOf.fill(undefined);
  }
}
