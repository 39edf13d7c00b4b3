/** Bytes of a block, in UTF-8: some 64 tokens of English, four blocks of a vLLM's own cache. */
export const BLOCK_BYTES = 256;
/** A longer prompt is known by its first megabyte. */
const MOST_BLOCKS = 4_096;
/** Characters that are encoded at once. */
const PIECE_CHARS = 16_384;
/** A shorter text is copied sooner than it is handed to the encoder. */
const FEW_CHARS = 32;
const BLOCK_WORDS = BLOCK_BYTES / 4;
/** Ends of what is marked: no text has them but by chance. */
const MARK = 0x01;
const MARK_END = 0x02;

/** The open block, and room for what comes at once. One chain at a time is made in it, from its beginning to its end. */
const bytes = new Uint8Array(BLOCK_BYTES + 3 * PIECE_CHARS);
const words = new Int32Array(bytes.buffer);
const encoder = new TextEncoder();

/**
 * Cuts what it is given into blocks, and names each by all that came up to its end, so that two prompts have as many blocks in common as
 * they begin alike: vLLM's own way (`hash_block_tokens`), on bytes instead of tokens. Two numbers of 32 bits are mixed with four bytes at a
 * time; who makes texts collide on purpose gets them sent to the same worker, and nothing else. Of two chains only the one begun last goes on.
 */
export class BlockChain {
  readonly blocks: number[] = [];
  #high = 0x1e3779b9;
  #low = 0x05ebca6b;
  /** Bytes of the open block. */
  #filled = 0;
  /** Characters beyond the blocks that are kept. */
  #beyond = 0;

  /** All that was added, in blocks, the last one as the part of a block that it is. */
  get size(): number {
    return this.blocks.length + (this.#filled + this.#beyond) / BLOCK_BYTES;
  }

  add(text: string): void {
    if (this.blocks.length >= MOST_BLOCKS) this.#beyond += text.length;
    else if (text.length <= FEW_CHARS && this.#addFew(text)) return;
    else if (text.length <= PIECE_CHARS) this.#addPiece(text);
    else for (let at = 0; at < text.length; at += PIECE_CHARS) this.add(text.slice(at, at + PIECE_CHARS));
  }

  /** What tells one prompt from another without being text of it: whose words follow, what a field is called. */
  mark(text: string): void {
    bytes[this.#filled++] = MARK;
    this.#close();
    this.add(text);
    bytes[this.#filled++] = MARK_END;
    this.#close();
  }

  /** @returns false for what is more than a byte a character; nothing of it counts then */
  #addFew(text: string): boolean {
    let at = this.#filled;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.#filled = at;
    this.#close();
    return true;
  }

  #addPiece(text: string): void {
    this.#filled += encoder.encodeInto(text, bytes.subarray(this.#filled)).written;
    this.#close();
  }

  /** Names the blocks that are full. */
  #close(): void {
    let done = 0;
    for (; this.#filled - done >= BLOCK_BYTES && this.blocks.length < MOST_BLOCKS; done += BLOCK_BYTES) this.#name(done / 4);
    if (done === 0) return;
    bytes.copyWithin(0, done, this.#filled);
    this.#filled -= done;
    if (this.blocks.length < MOST_BLOCKS) return;
    this.#beyond += this.#filled;
    this.#filled = 0;
  }

  #name(from: number): void {
    let high = this.#high;
    let low = this.#low;
    for (let at = from; at < from + BLOCK_WORDS; at++) {
      const word = words[at]!;
      high = Math.imul(high ^ word, 0x9e3779b1);
      high = (high << 13) | (high >>> 19);
      low = Math.imul(low + word, 0x85ebca77);
      low = (low << 17) | (low >>> 15);
    }
    this.#high = high;
    this.#low = low;
    high ^= low >>> 16;
    high = Math.imul(high ^ (high >>> 15), 0x2c1b3c6d);
    high ^= high >>> 13;
    low = Math.imul(low ^ (this.#high >>> 17), 0x297a2d39);
    low ^= low >>> 15;
    // As many bits as a number has.
    this.blocks.push((high & 0xfffff) * 0x1_0000_0000 + (low >>> 0));
  }
}
