import { stringEnd } from '../openai/json-body.ts';

const QUOTE = 0x22;
const COLON = 0x3a;

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the values of an object's own fields lie, without the space around them. @param bytes a JSON object */
export function fieldSpans(bytes: Buffer): ReadonlyMap<string, Span> {
  const spans = new Map<string, Span>();
  let depth = 0;
  /** Of a field of the object itself whose value has begun. */
  let open: { readonly name: string; readonly start: number } | null = null;
  const close = (at: number): void => {
    if (open !== null) spans.set(open.name, { start: open.start, end: endBefore(bytes, at) });
    open = null;
  };
  for (let pos = 0; pos < bytes.length; pos++) {
    switch (bytes[pos]) {
      case QUOTE: {
        const end = stringEnd(bytes, pos);
        if (depth === 1 && open === null) {
          const colon = skipSpace(bytes, end);
          if (bytes[colon] !== COLON) return spans;
          const start = skipSpace(bytes, colon + 1);
          open = { name: JSON.parse(bytes.toString('utf8', pos, end)) as string, start };
          pos = start - 1;
        } else pos = end - 1;
        break;
      }
      case 0x2c: // ,
        if (depth === 1) close(pos);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        if (depth === 1) close(pos);
        depth--;
        break;
    }
  }
  return spans;
}

function skipSpace(bytes: Buffer, from: number): number {
  let pos = from;
  while (isSpace(bytes[pos])) pos++;
  return pos;
}

function endBefore(bytes: Buffer, at: number): number {
  let end = at;
  while (isSpace(bytes[end - 1])) end--;
  return end;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
