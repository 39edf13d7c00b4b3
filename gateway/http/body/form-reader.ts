import { GatewayError } from '../../core/errors.ts';

const MAX_HEADERS_BYTES = 8_192;
/** A longer value of a field is not put together. */
const MAX_VALUE_BYTES = 2_048;
const CRLF = Buffer.from('\r\n');
const HEADERS_END = Buffer.from('\r\n\r\n');

/** What a multipart body consists of, in its order. Put together again, the bytes of all pieces are the body. */
export type FormPiece =
  /** Delimiters, headers, files, and fields that nobody asked for. */
  | { readonly kind: 'other'; readonly bytes: Buffer }
  | { readonly kind: 'field'; readonly name: string; readonly bytes: Buffer }
  /** The value of this field is too long to be put together; it comes as `other`. */
  | { readonly kind: 'long_field'; readonly name: string };

/** In what of a multipart body the next byte lies. A file, or a field that nobody asked for, is `content`. */
type Where = { readonly in: 'content' } | { readonly in: 'headers' } | { readonly in: 'value'; readonly name: string };
const CONTENT: Where = { in: 'content' };
const HEADERS: Where = { in: 'headers' };
const NOTHING = Buffer.alloc(0);

/** Cuts a multipart body into pieces as it comes. Holds back no more than the headers of one part, or one value. */
export class FormReader {
  readonly #delimiter: Buffer;
  readonly #wanted: (name: string) => boolean;
  // The first delimiter has no line before it: it is given one, which is taken off again.
  #held: Buffer = CRLF;
  #surplus = CRLF.length;
  #where: Where = CONTENT;

  /** @param wanted whether the value of a field is to be put together */
  constructor(boundary: string, wanted: (name: string) => boolean) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#wanted = wanted;
  }

  /** Takes the next bytes of the body. Returns what can be judged by now. */
  read(bytes: Buffer): FormPiece[] {
    const held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const pieces: FormPiece[] = [];
    let from = 0;
    /** Up to which byte all is `other`. */
    let other = 0;
    const pass = (to: number): void => {
      if (to > from) pieces.push({ kind: 'other', bytes: this.#withoutSurplus(held.subarray(from, to)) });
      from = other = to;
    };
    for (;;) {
      const where: Where = this.#where;
      if (where.in === 'content') {
        const at = held.indexOf(this.#delimiter, other);
        if (at < 0) {
          // The end may be the beginning of a delimiter.
          pass(Math.max(other, held.length - this.#delimiter.length + 1));
          break;
        }
        other = at + this.#delimiter.length;
        this.#where = HEADERS;
      } else if (where.in === 'headers') {
        const end = held.indexOf(HEADERS_END, other);
        const long = (end < 0 ? held.length : end) - other > MAX_HEADERS_BYTES;
        if (end < 0 && !long) {
          pass(other);
          break;
        }
        const name = long ? null : fieldName(held.toString('utf8', other, end));
        // The last line end of the headers is also the one before the delimiter, where a part has no body at all.
        if (!long) other = end + CRLF.length;
        this.#where = name !== null && this.#wanted(name) ? { in: 'value', name } : CONTENT;
      } else {
        const { name } = where;
        const start = other + CRLF.length;
        const end = held.indexOf(this.#delimiter, other);
        const long = (end < 0 ? held.length : end) - start > MAX_VALUE_BYTES;
        if (end < 0 && !long) {
          pass(other);
          break;
        }
        this.#where = CONTENT;
        if (long) pieces.push({ kind: 'long_field', name });
        else if (end < start) pieces.push({ kind: 'field', name, bytes: NOTHING });
        else {
          pass(start);
          pieces.push({ kind: 'field', name, bytes: held.subarray(start, end) });
          from = other = end;
        }
      }
    }
    this.#held = held.subarray(from);
    return pieces;
  }

  /** The body is over. Returns the bytes that were held back. */
  end(): Buffer {
    const held = this.#held;
    this.#held = NOTHING;
    return this.#withoutSurplus(held);
  }

  #withoutSurplus(bytes: Buffer): Buffer {
    const cut = Math.min(this.#surplus, bytes.length);
    this.#surplus -= cut;
    return bytes.subarray(cut);
  }
}

/** The boundary of a multipart body. @throws invalid_value without one */
export function boundaryOf(contentType: string): string {
  const boundary = /;\s*boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType);
  const value = boundary?.[1] ?? boundary?.[2];
  if (value === undefined)
    throw new GatewayError('invalid_value', 'The multipart body has no boundary in its content type.', { param: 'content-type' });
  return value;
}

/** The name in a part's headers, from the line end before the first of them; null for a file. */
function fieldName(headers: string): string | null {
  const disposition = /\r\ncontent-disposition:[ \t]*form-data([ \t]*;[^\r\n]{1,1024})(?:\r\n|$)/i.exec(headers)?.[1];
  if (disposition === undefined) return null;
  let name: string | null = null;
  // Bounded, since whoever wrote this may have wished to see it backtrack.
  for (const [, key, quoted, plain] of disposition.matchAll(/;[ \t]{0,8}([\w*]{1,16})=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g)) {
    if (/^filename\*?$/i.test(key!)) return null;
    if (/^name$/i.test(key!)) name = quoted ?? plain ?? null;
  }
  return name;
}
