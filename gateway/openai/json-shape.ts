import { GatewayError } from '../core/errors.ts';
import { stringEnd } from './json-string-end.ts';

export const MAX_JSON_DEPTH = 64;
export const MAX_JSON_KEYS = 10_000;
export const MAX_JSON_CONTAINERS = 100_000;
/** What a smaller body can hold costs its parser nothing to speak of. */
const SMALL_BYTES = 65_536;

/**
 * Holds a large body to limits before it is parsed: 32 MB of brackets keep V8 busy for seconds and make a gigabyte of empty arrays.
 * Says nothing of whether the bytes are JSON.
 * @throws json_too_deep · too_many_keys
 */
export function checkShape(bytes: Buffer): void {
  if (bytes.length <= SMALL_BYTES) return;
  let depth = 0;
  let containers = 0;
  let keys = 0;
  for (let pos = 0; pos < bytes.length; pos++) {
    const byte = bytes[pos];
    if (byte === 0x22) pos = stringEnd(bytes, pos) - 1;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) throw tooDeep();
      if (++containers > MAX_JSON_CONTAINERS) {
        throw new GatewayError('too_many_keys', `The JSON body has more than ${MAX_JSON_CONTAINERS} objects and arrays.`);
      }
    } else if (byte === 0x3a) {
      if (++keys > MAX_JSON_KEYS) throw tooManyKeys();
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

export function tooDeep(): GatewayError {
  return new GatewayError('json_too_deep', `The JSON body is nested deeper than ${MAX_JSON_DEPTH} levels.`);
}

export function tooManyKeys(): GatewayError {
  return new GatewayError('too_many_keys', `The JSON body has more than ${MAX_JSON_KEYS} keys.`);
}
