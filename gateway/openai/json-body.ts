import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../core/errors.ts';
import { checkShape, MAX_JSON_DEPTH, MAX_JSON_KEYS, tooDeep, tooManyKeys } from './json-shape.ts';

export type JsonObject = { readonly [key: string]: unknown };

export interface ParsedBody {
  readonly value: JsonObject;
  /** Characters of all strings and four for every number in an array (a token id): what a prompt's size is estimated from. */
  readonly textChars: number;
}

/**
 * Parses a request body and holds it to limits that no honest request meets, before anything else looks at it.
 * @throws invalid_utf8 · invalid_json · invalid_type · json_too_deep · too_many_keys · invalid_value (a number too large for any reader)
 */
export function parseJsonBody(bytes: Buffer): ParsedBody {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  if (!isUtf8(bytes)) throw new GatewayError('invalid_utf8', 'The request body is not valid UTF-8.');
  if (bytes.length === start) throw new GatewayError('invalid_json', 'The request body is empty; a JSON object is expected.');
  checkShape(bytes);
  const value = parse(bytes.toString('utf8', start));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const got = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
    throw new GatewayError('invalid_type', `The request body must be a JSON object, but it is ${got}.`);
  }
  return { value: value as JsonObject, textChars: measure(value) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the offending text in its message; only the position is repeated, since the text may be a prompt.
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    const where = position === undefined ? '' : ` (at character ${position})`;
    throw new GatewayError('invalid_json', `We could not parse the JSON body of your request${where}.`);
  }
}

/** One pass over the tree without recursion, since a hostile body may nest deeper than the stack. */
function measure(root: object): number {
  let level: object[] = [root];
  let chars = 0;
  let keys = 0;
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_JSON_DEPTH) throw tooDeep();
    const below: object[] = [];
    for (const node of level) {
      if (Array.isArray(node)) {
        for (const item of node) {
          if (typeof item === 'number') {
            if (!Number.isFinite(item)) throw tooLarge();
            chars += 4;
          } else if (typeof item === 'string') chars += textLength(item);
          else if (typeof item === 'object' && item !== null) below.push(item);
        }
        continue;
      }
      for (const key in node) {
        if (++keys > MAX_JSON_KEYS) throw tooManyKeys();
        const item = (node as JsonObject)[key];
        if (typeof item === 'string') chars += textLength(item);
        else if (typeof item === 'number') {
          if (!Number.isFinite(item)) throw tooLarge(key);
        } else if (typeof item === 'object' && item !== null) below.push(item);
      }
    }
    level = below;
  }
  return chars;
}

/** Inline media is not text. */
function textLength(text: string): number {
  return text.length > 64 && text.startsWith('data:') ? 0 : text.length;
}

function tooLarge(param?: string): GatewayError {
  return new GatewayError('invalid_value', 'A number in the request body is out of range.', { param: param ?? null });
}
