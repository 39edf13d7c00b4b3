import { GatewayError } from '../core/errors.ts';

// What OpenAI says of a parameter that is not as it should be, in its own words and codes.

const LEAST_EXPIRY_S = 3_600;
const MOST_EXPIRY_S = 2_592_000;

export function missing(param: string): GatewayError {
  return invalid(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');
}

/** @param code OpenAI's, where that is another than ours; null: it says none */
export function invalid(message: string, param: string | null, code?: string | null): GatewayError {
  return new GatewayError('invalid_value', message, code === undefined ? { param } : { param, code });
}

/** A whole number that is no smaller and no larger. @throws invalid_value with OpenAI's code */
export function inRange(value: number, least: number, most: number, param: string): number {
  const begin = `Invalid '${param}': integer`;
  if (value < least) {
    throw invalid(
      `${begin} below minimum value. Expected a value >= ${least}, but got ${value} instead.`,
      param,
      'integer_below_min_value',
    );
  }
  if (value > most) {
    throw invalid(`${begin} above maximum value. Expected a value <= ${most}, but got ${value} instead.`, param, 'integer_above_max_value');
  }
  return value;
}

/** Seconds after which a file may be said to go: between an hour and thirty days. @throws as above */
export function expiryInRange(seconds: number, param: string): number {
  return inRange(seconds, LEAST_EXPIRY_S, MOST_EXPIRY_S, param);
}

/** What OpenAI says of a value of another type than it should have. @param expected with its article, as in "a string" */
export function wrongType(param: string, expected: string, value: unknown): string {
  return `Invalid type for '${param}': expected ${expected}, but got ${kindOf(value)} instead.`;
}

/** What OpenAI says of a text that has more characters, or bytes, than it may have. */
export function tooLong(param: string, most: number, length: number): string {
  return `Invalid '${param}': string too long. Expected a string with maximum length ${most}, but got a string with length ${length} instead.`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'number':
      return Number.isInteger(value) ? 'an integer' : 'a decimal number';
    default:
      return `a ${typeof value}`;
  }
}

const KEY = /^[\x21-\x7e]{1,255}$/;
/** As the IETF's draft has it: a string in quotes (RFC 8941). */
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$/;

/** The key that a header `idempotency-key` holds. @throws invalid_idempotency_key */
export function idempotencyKeyOf(written: string): string {
  const text = written.trim();
  const quoted = QUOTED.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replaceAll(/\\(["\\])/g, '$1');
  if (KEY.test(text)) return text;
  throw new GatewayError(
    'invalid_idempotency_key',
    'The idempotency key must be 1 to 255 visible ASCII characters, bare or as a string in quotes.',
  );
}

export function idempotencyKeyReused(): GatewayError {
  return new GatewayError(
    'idempotency_key_reused',
    'This idempotency key was used for another request: one that asks for something else needs a key of its own.',
  );
}
