import type { FrameBatch } from '../../core/transport.ts';

/** The longest chunk that is held until it is whole: no event of a stream is longer (a token is some 250 bytes). */
export const MAX_FRAME_BYTES = 1_048_576;
const MAX_TRAILER_BYTES = 16_384;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;

export type WalkResult =
  /** More is to come. */
  | 'more'
  /** The last chunk and its trailer have been read; `rest` says where the next response would begin. */
  | 'end'
  | 'invalid';

/**
 * Walks HTTP/1.1 chunk frames (RFC 9112 §7.1) without decoding them: of every read it gives the run of whole frames, untouched, and
 * where the payload of each lies. A frame cut by a read is held until it is whole, so that what is passed on always ends at a frame.
 */
export class ChunkWalker {
  /** The whole frames of the last `walk`; the arrays are reused. */
  readonly batch: FrameBatch = { bytes: Buffer.alloc(0), count: 0, starts: [], ends: [] };
  /** After 'end': bytes that follow the body. 0 on a well-behaved connection. */
  rest = 0;
  #held: Buffer | null = null;

  walk(read: Buffer): WalkResult {
    const bytes = this.#held ? Buffer.concat([this.#held, read]) : read;
    this.#held = null;
    const { starts, ends } = this.batch;
    const length = bytes.length;
    let count = 0;
    let pos = 0;
    let result: WalkResult = 'more';
    while (pos < length) {
      let at = pos;
      let size = 0;
      let digits = 0;
      let byte = bytes[at]!;
      for (;;) {
        const digit = hexDigit(byte);
        if (digit < 0) break;
        size = size * 16 + digit;
        if (++digits > 8) return 'invalid';
        if (++at >= length) break;
        byte = bytes[at]!;
      }
      if (at < length && digits === 0) return 'invalid';
      if (at < length && byte === SEMICOLON) {
        while (at < length && bytes[at] !== CR) at++;
        if (at - pos > 256) return 'invalid';
      }
      if (at + 1 >= length) {
        if (at < length && bytes[at] !== CR) return 'invalid';
        break;
      }
      if (bytes[at] !== CR || bytes[at + 1] !== LF) return 'invalid';
      if (size > MAX_FRAME_BYTES) return 'invalid';
      const start = at + 2;
      if (size === 0) {
        const after = afterTrailer(bytes, start);
        if (after === 0) {
          if (length - start > MAX_TRAILER_BYTES) return 'invalid';
          break;
        }
        this.rest = length - after;
        result = 'end';
        break;
      }
      const end = start + size;
      if (end + 2 > length) break;
      if (bytes[end] !== CR || bytes[end + 1] !== LF) return 'invalid';
      starts[count] = start;
      ends[count] = end;
      count++;
      pos = end + 2;
    }
    if (result === 'more' && pos < length) this.#held = pos === 0 ? bytes : bytes.subarray(pos);
    this.batch.bytes = pos === length ? bytes : bytes.subarray(0, pos);
    this.batch.count = count;
    return result;
  }
}

/** Where the trailer section that begins at `start` ends, or 0 while it is incomplete. */
function afterTrailer(bytes: Buffer, start: number): number {
  if (bytes.length < start + 2) return 0;
  if (bytes[start] === CR && bytes[start + 1] === LF) return start + 2;
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
  return end < 0 ? 0 : end + 4;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
