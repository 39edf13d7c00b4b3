import { stringEnd } from '../../openai/json-body.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const SEPARATOR = Buffer.from(',');

/**
 * The body, which is a JSON object, without some of its fields; the body itself where it has none of them. Of the other fields no byte is
 * changed: 64-bit seeds, `1.0` and their order survive. The bytes must be valid JSON.
 */
export function withoutFields(bytes: Buffer, names: readonly string[]): Buffer {
  if (!names.some((name) => bytes.includes(`"${name}"`))) return bytes;
  const fields = [...fieldsOf(bytes)];
  const kept = fields.filter(({ name }) => !names.includes(name));
  if (kept.length === fields.length) return bytes;
  const pieces = kept.flatMap(({ start, end }, i) => (i === 0 ? [bytes.subarray(start, end)] : [SEPARATOR, bytes.subarray(start, end)]));
  return Buffer.concat([bytes.subarray(0, fields[0]!.start), ...pieces, bytes.subarray(fields.at(-1)!.end)]);
}

/** The fields at the top, and where each lies without its comma. */
function* fieldsOf(bytes: Buffer): Generator<{ readonly name: string; readonly start: number; readonly end: number }> {
  let start = skipSpace(bytes, bytes.indexOf(0x7b) + 1);
  while (bytes[start] === QUOTE) {
    const nameEnd = stringEnd(bytes, start);
    const end = valueEnd(bytes, skipSpace(bytes, skipSpace(bytes, nameEnd) + 1));
    yield { name: JSON.parse(bytes.toString('utf8', start, nameEnd)) as string, start, end };
    const comma = skipSpace(bytes, end);
    if (bytes[comma] !== COMMA) return;
    start = skipSpace(bytes, comma + 1);
  }
}

/** One past the value that begins at `start`. */
function valueEnd(bytes: Buffer, start: number): number {
  if (bytes[start] === QUOTE) return stringEnd(bytes, start);
  let depth = 0;
  for (let pos = start; pos < bytes.length; pos++) {
    const byte = bytes[pos]!;
    if (byte === QUOTE) pos = stringEnd(bytes, pos) - 1;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return pos;
      if (--depth === 0) return pos + 1;
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return pos;
  }
  return bytes.length;
}

function skipSpace(bytes: Buffer, from: number): number {
  let pos = from;
  while (isSpace(bytes[pos])) pos++;
  return pos;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
