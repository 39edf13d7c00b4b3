/** Bytes of text from one that is spoilt to the next. */
const EVERY = 61;
const HEAD = Buffer.from('HTTP/1.');
const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** Spoils every 61st byte of what a server says on one connection, however it is cut into pieces; heads of answers are spared. */
export class Spoiler {
  /** Bytes of text until the next one. */
  #left = EVERY - 1;
  #isInHead = false;

  spoil(piece: Buffer): Buffer {
    const copy = Buffer.from(piece);
    let at = this.#textFrom(piece);
    for (; at + this.#left < copy.length; this.#left = EVERY - 1) {
      at += this.#left;
      copy[at] = copy[at]! ^ 0x80;
      at += 1;
    }
    this.#left -= copy.length - at;
    return copy;
  }

  /** Where the text of a piece begins. The end of a head may be cut in two: then what is left of the head is spoilt as text is. */
  #textFrom(piece: Buffer): number {
    if (piece.subarray(0, HEAD.length).equals(HEAD)) this.#isInHead = true;
    if (!this.#isInHead) return 0;
    const end = piece.indexOf(END_OF_HEAD);
    if (end < 0) return piece.length;
    this.#isInHead = false;
    return end + END_OF_HEAD.length;
  }
}
