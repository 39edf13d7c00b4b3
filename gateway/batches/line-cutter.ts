const NEWLINE = 0x0a;
const RETURN = 0x0d;
const NOTHING = Buffer.alloc(0);

/** A line of a file that is not blank. */
export interface CutLine {
  /** From 1; blank lines count. */
  readonly number: number;
  /** Of its first byte; a byte order mark belongs to no line. */
  readonly offset: number;
  /** Without the end of the line. */
  readonly length: number;
  /** null: it is longer than may be looked at. Good until the next block. */
  readonly bytes: Buffer | null;
}

/**
 * Cuts a file into lines as it comes, block by block, wherever the blocks end. Holds no more than one line of the longest that is looked at
 * and one block.
 */
export class LineCutter {
  readonly #mostBytes: number;
  /** The pieces of a line that has begun in blocks before. */
  #pieces: Buffer[] = [];
  /** How long that line is by now, those bytes among them that are not kept. */
  #length = 0;
  #isBlank = true;
  #offset = 0;
  #at = 0;
  #number = 1;
  #mark = 0;

  /** @param mostBytes longer lines are counted, and not kept */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Lines that end in the next block of the file. The block may not change until they have been looked at. */
  *cut(block: Buffer): Generator<CutLine> {
    let from = this.#withoutMark(block);
    for (;;) {
      const end = block.indexOf(NEWLINE, from);
      if (end < 0) break;
      this.#add(block.subarray(from, end));
      yield* this.#end();
      this.#at += end + 1 - from;
      this.#offset = this.#at;
      from = end + 1;
    }
    const rest = block.subarray(from);
    // The block may be written over.
    if (rest.length > 0) this.#add(this.#length + rest.length > this.#mostBytes + 1 ? rest : Buffer.from(rest));
    this.#at += rest.length;
  }

  /** The last line, where nothing ends it. */
  *end(): Generator<CutLine> {
    if (this.#mark < 3) this.#add(MARK.subarray(0, this.#mark));
    yield* this.#end();
  }

  /** Takes a byte order mark off the beginning, which may come in pieces. @returns where in the block the first line goes on */
  #withoutMark(block: Buffer): number {
    let at = 0;
    while (this.#mark < 3 && at < block.length) {
      if (block[at] !== MARK[this.#mark]) {
        this.#add(MARK.subarray(0, this.#mark));
        this.#mark = DONE;
        return at;
      }
      this.#mark++;
      at++;
      this.#at++;
      if (this.#mark === 3) {
        this.#mark = DONE;
        this.#offset = 3;
      }
    }
    return at;
  }

  #add(piece: Buffer): void {
    this.#length += piece.length;
    this.#isBlank &&= isBlank(piece);
    // One more than may be: the end of a line may be two bytes.
    if (this.#length > this.#mostBytes + 1) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }

  *#end(): Generator<CutLine> {
    const pieces = this.#pieces;
    const line = pieces.length === 1 ? pieces[0]! : pieces.length === 0 ? NOTHING : Buffer.concat(pieces);
    const isKept = line.length === this.#length;
    const hasReturn = isKept && line.at(-1) === RETURN;
    const length = this.#length - (hasReturn ? 1 : 0);
    const [number, offset, isWorthIt] = [this.#number, this.#offset, !this.#isBlank];
    this.#number++;
    this.#pieces = [];
    this.#length = 0;
    this.#isBlank = true;
    if (!isWorthIt) return;
    yield { number, offset, length, bytes: isKept && length <= this.#mostBytes ? line.subarray(0, length) : null };
  }
}

const MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const DONE = 4;

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== RETURN) return false;
  return true;
}
