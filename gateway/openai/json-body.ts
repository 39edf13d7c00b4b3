import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../core/errors.ts';

const MAX_JSON_DEPTH = 64;
export const MAX_JSON_KEYS = 10_000;
export const MAX_JSON_CONTAINERS = 100_000;
/** Twice the largest vocabulary: a chat may list the tokens that are allowed in its answer. */
export const MAX_JSON_ITEMS = 524_288;
/** Where a prompt may be a list of token ids: two contexts of a million tokens. */
export const MAX_TOKEN_ITEMS = 2_097_152;
/** A smaller body cannot hold enough to slow its parser down. */
const SMALL_BYTES = 65_536;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Most strings are shorter; beyond this a native search is worth its call. */
const NEAR_BYTES = 64;

export type JsonObject = { readonly [key: string]: unknown };

export interface ParsedBody {
  readonly value: JsonObject;
  /** Characters of all strings and four for every number in an array (a token id): what a prompt's size is estimated from. */
  readonly textChars: number;
}

/**
 * Parses a request body and holds it to limits that no honest request meets, before anything else looks at it.
 * @param takesTokenLists whether its route takes prompts as lists of token ids
 * @throws invalid_utf8 · invalid_json · invalid_type · json_too_deep · too_many_keys · invalid_value (a number too large for any reader)
 */
export function parseJsonBody(bytes: Buffer, takesTokenLists = false): ParsedBody {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  if (!isUtf8(bytes)) throw new GatewayError('invalid_utf8', 'The request body is not valid UTF-8.');
  if (bytes.length === start) throw new GatewayError('invalid_json', 'The request body is empty; a JSON object is expected.');
  checkShape(bytes, takesTokenLists ? MAX_TOKEN_ITEMS : MAX_JSON_ITEMS);
  const value = parse(bytes.toString('utf8', start));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const got = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
    throw new GatewayError('invalid_type', `The request body must be a JSON object, but it is ${got}.`);
  }
  return { value: value as JsonObject, textChars: charsIn(value) };
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

/**
 * Holds a large body to limits before it is parsed: 32 MB of brackets keep V8 busy for seconds and make a gigabyte of empty
 * arrays, and a list of sixteen million ones holds the only thread for most of a second.
 * Says nothing of whether the bytes are JSON.
 * @throws json_too_deep · too_many_keys
 */
export function checkShape(bytes: Buffer, maxItems = MAX_JSON_ITEMS): void {
  if (bytes.length <= SMALL_BYTES) return;
  let depth = 0;
  let containers = 0;
  let keys = 0;
  let commas = 0;
  for (let pos = 0; pos < bytes.length; pos++) {
    const byte = bytes[pos];
    if (byte === 0x22) pos = stringEnd(bytes, pos) - 1;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) throw tooDeep();
      if (++containers > MAX_JSON_CONTAINERS) {
        throw new GatewayError('too_many_keys', `The JSON body has more than ${MAX_JSON_CONTAINERS} objects and arrays.`);
      }
    } else if (byte === 0x2c) {
      if (++commas >= maxItems)
        throw new GatewayError('too_many_keys', `The JSON body has more than ${maxItems} items in its arrays and objects.`);
    } else if (byte === 0x3a) {
      if (++keys > MAX_JSON_KEYS) throw tooManyKeys();
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

/** One past the closing quote of the JSON string that opens at `start`; the end of the bytes if it is never closed. */
export function stringEnd(bytes: Buffer, start: number): number {
  let pos = start + 1;
  for (const near = pos + NEAR_BYTES; pos < near; pos++) {
    const byte = bytes[pos];
    if (byte === undefined) return bytes.length;
    if (byte === BACKSLASH) pos++;
    else if (byte === QUOTE) return pos + 1;
  }
  // Inline media is long and holds no escapes.
  const quote = bytes.indexOf(QUOTE, pos);
  if (quote < 0) return bytes.length;
  if (!bytes.subarray(pos, quote).includes(BACKSLASH)) return quote + 1;
  for (; pos < bytes.length; pos++) {
    const byte = bytes[pos];
    if (byte === BACKSLASH) pos++;
    else if (byte === QUOTE) return pos + 1;
  }
  return bytes.length;
}

/** One pass over the tree without recursion, since a hostile body may nest deeper than the stack. */
export function charsIn(root: object): number {
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
export function textLength(text: string): number {
  return text.length > 64 && text.startsWith('data:') ? 0 : text.length;
}

function tooLarge(param?: string): GatewayError {
  return new GatewayError('invalid_value', 'A number in the request body is out of range.', { param: param ?? null });
}

function tooDeep(): GatewayError {
  return new GatewayError('json_too_deep', `The JSON body is nested deeper than ${MAX_JSON_DEPTH} levels.`);
}

function tooManyKeys(): GatewayError {
  return new GatewayError('too_many_keys', `The JSON body has more than ${MAX_JSON_KEYS} keys.`);
}
