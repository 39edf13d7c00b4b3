import { withFieldAtEnd } from './field-at-end.ts';
import { stringEnd } from './json-body.ts';

const QUOTE = 0x22;
const COLON = 0x3a;

/**
 * The body with the value of its top-level `model` replaced, and not one other byte changed: 64-bit seeds, `1.0`, key order and unknown
 * fields survive. The bytes must be valid JSON with an object at the root. Where the key is written twice the last counts, as it does
 * for the worker.
 * @returns null when there is no such key.
 */
export function rewriteModel(bytes: Buffer, model: string): Buffer | null {
  const span = topLevelValue(bytes, 'model');
  if (!span) return null;
  return Buffer.concat([bytes.subarray(0, span.start), Buffer.from(JSON.stringify(model)), bytes.subarray(span.end)]);
}

/** The body, which is a JSON object without a name for the model, with that name at its end. */
export function nameModel(bytes: Buffer, model: string): Buffer {
  return withFieldAtEnd(bytes, `"model":${JSON.stringify(model)}`);
}

/** Where the string value of a top-level key lies, quotes included. */
function topLevelValue(bytes: Buffer, key: string): { start: number; end: number } | null {
  let depth = 0;
  let found: { start: number; end: number } | null = null;
  for (let pos = 0; pos < bytes.length; pos++) {
    const byte = bytes[pos]!;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, pos);
      if (depth === 1) {
        const colon = skipSpace(bytes, end);
        if (bytes[colon] === COLON) {
          const start = skipSpace(bytes, colon + 1);
          if (bytes[start] === QUOTE && JSON.parse(bytes.toString('utf8', pos, end)) === key) {
            found = { start, end: stringEnd(bytes, start) };
          }
          // A string value is stepped over here, so that it is never taken for a key.
          pos = bytes[start] === QUOTE ? stringEnd(bytes, start) - 1 : start - 1;
          continue;
        }
      }
      pos = end - 1;
    } else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return found;
}

function skipSpace(bytes: Buffer, from: number): number {
  let pos = from;
  while (bytes[pos] === 0x20 || bytes[pos] === 0x0a || bytes[pos] === 0x0d || bytes[pos] === 0x09) pos++;
  return pos;
}
