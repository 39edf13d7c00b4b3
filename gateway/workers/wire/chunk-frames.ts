import type { FrameBatch } from '../../core/transport.ts';
import { frameOf } from './frame-of.ts';

/**
 * The longest chunk that is held until it is whole: a token is some 250 bytes, but the last event of /v1/responses holds the whole answer. A
 * longer one is passed on in frames of its pieces.
 */
export const MAX_FRAME_BYTES = 16_777_216;
const MAX_TRAILER_BYTES = 16_384;

const NOTHING = Buffer.alloc(0);
const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const DEL = 0x7f;
const MAX_SIZE_DIGITS = 8;
const MAX_SIZE_LINE_BYTES = 256;

const INCOMPLETE = -1;
const INVALID = -2;

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
  readonly batch: FrameBatch = { bytes: NOTHING, count: 0, starts: [], ends: [] };
  /** After 'end': bytes that follow the body. 0 on a well-behaved connection. */
  rest = 0;
  /** What has come of the frame that is not whole yet. */
  #held: Buffer[] = [];
  /** How much of it is still to come; 0 while its size is not known. Until then nothing is put together or looked at. */
  #missing = 0;
  /** Bytes still to come of a chunk that is too long to be held, its line end included. */
  #long = 0;

  /** On 'invalid' the batch holds the frames before the one that is not well formed. */
  walk(read: Buffer): WalkResult {
    if (this.#long > 0) return this.#walkLong(read, []);
    if (this.#missing > read.length) return this.#hold(read, this.#missing - read.length);
    const bytes = this.#held.length > 0 ? Buffer.concat([...this.#held, read]) : read;
    this.#held = [];
    this.#missing = 0;
    const { starts, ends } = this.batch;
    const length = bytes.length;
    let count = 0;
    let pos = 0;
    let result: WalkResult = 'more';
    let missing = 0;
    while (pos < length) {
      const start = payloadStart(bytes, pos);
      if (start === INCOMPLETE) break;
      const size = start === INVALID ? -1 : chunkSize(bytes, pos);
      if (size < 0) {
        result = 'invalid';
        break;
      }
      if (size > MAX_FRAME_BYTES) {
        this.#fill(bytes.subarray(0, pos), count);
        this.#long = size + 2;
        return this.#walkLong(bytes.subarray(start), [copyOf(this.batch)]);
      }
      if (size === 0) {
        const after = afterTrailer(bytes, start);
        if (after > 0) {
          this.rest = length - after;
          result = 'end';
        } else if (length - start > MAX_TRAILER_BYTES) result = 'invalid';
        break;
      }
      const end = start + size;
      if (end + 2 > length) {
        missing = end + 2 - length;
        break;
      }
      if (bytes[end] !== CR || bytes[end + 1] !== LF) {
        result = 'invalid';
        break;
      }
      starts[count] = start;
      ends[count] = end;
      count++;
      pos = end + 2;
    }
    if (result === 'more' && pos < length) this.#hold(pos === 0 ? bytes : bytes.subarray(pos), missing);
    this.#fill(pos === length ? bytes : bytes.subarray(0, pos), count);
    return result;
  }

  /** Goes on in a chunk that is too long to be held; `before`: the frames of the same read. */
  #walkLong(read: Buffer, before: FrameBatch[]): WalkResult {
    const payload = Math.min(read.length, Math.max(0, this.#long - 2));
    if (payload > 0) before.push(frameOf(read.subarray(0, payload)));
    let at = payload;
    this.#long -= payload;
    let result: WalkResult = 'more';
    for (; this.#long > 0 && at < read.length; at++, this.#long--) {
      if (read[at] !== (this.#long === 2 ? CR : LF)) {
        result = 'invalid';
        break;
      }
    }
    if (result === 'more' && this.#long === 0 && at < read.length) {
      result = this.walk(read.subarray(at));
      before.push(copyOf(this.batch));
    }
    this.#join(before);
    return result;
  }

  #fill(bytes: Buffer, count: number): void {
    this.batch.bytes = bytes;
    this.batch.count = count;
  }

  #join(parts: readonly FrameBatch[]): void {
    const { starts, ends } = this.batch;
    let count = 0;
    let offset = 0;
    for (const part of parts) {
      for (let i = 0; i < part.count; i++, count++) {
        starts[count] = offset + part.starts[i]!;
        ends[count] = offset + part.ends[i]!;
      }
      offset += part.bytes.length;
    }
    this.#fill(Buffer.concat(parts.map(({ bytes }) => bytes)), count);
  }

  #hold(piece: Buffer, missing: number): WalkResult {
    this.#held.push(piece);
    this.#missing = missing;
    this.#fill(NOTHING, 0);
    return 'more';
  }
}

/** The arrays of a batch are reused. */
function copyOf({ bytes, count, starts, ends }: FrameBatch): FrameBatch {
  return { bytes, count, starts: starts.slice(0, count), ends: ends.slice(0, count) };
}

/** Where the payload of the chunk at `pos` begins: behind its size, perhaps an extension, and the line's end. */
function payloadStart(bytes: Buffer, pos: number): number {
  let at = pos;
  while (at < bytes.length && hexDigit(bytes[at]!) >= 0) at++;
  const digits = at - pos;
  if (digits > MAX_SIZE_DIGITS) return INVALID;
  if (at === bytes.length) return INCOMPLETE;
  if (digits === 0) return INVALID;
  if (bytes[at] === SEMICOLON) {
    // A control character, a bare line feed above all, ends the line for some readers: the frame is passed on to such.
    while (at < bytes.length && bytes[at]! >= SPACE && bytes[at] !== DEL) at++;
    if (at - pos > MAX_SIZE_LINE_BYTES) return INVALID;
    if (at === bytes.length) return INCOMPLETE;
  }
  if (bytes[at] !== CR) return INVALID;
  if (at + 1 === bytes.length) return INCOMPLETE;
  return bytes[at + 1] === LF ? at + 2 : INVALID;
}

function chunkSize(bytes: Buffer, pos: number): number {
  let size = 0;
  for (let at = pos; ; at++) {
    const digit = hexDigit(bytes[at]!);
    if (digit < 0) return size;
    size = size * 16 + digit;
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
