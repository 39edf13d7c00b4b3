import { GatewayError } from '../core/errors.ts';
import type { JsonObject } from '../openai/json-body.ts';
import { BATCH_ENDPOINTS } from './endpoints.ts';
import { shown, tooLong, wrongType } from './wrong-type.ts';

const WINDOW = '24h';
const MOST_PAIRS = 16;
const MOST_KEY_CHARS = 64;
const MOST_VALUE_CHARS = 512;
const LEAST_EXPIRY_S = 3_600;
const MOST_EXPIRY_S = 2_592_000;

/** What a client asks of a new batch. */
export interface CreateAsked {
  readonly inputFile: string;
  readonly endpoint: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly outputExpiresAfterS: number | null;
}

/** Reads the body of a request for a new batch. @throws invalid_value with OpenAI's codes and words */
export function createAsked(body: JsonObject): CreateAsked {
  const inputFile = required(body, 'input_file_id');
  const endpoint = required(body, 'endpoint');
  const completionWindow = required(body, 'completion_window');
  if (!BATCH_ENDPOINTS.includes(endpoint)) {
    const known = BATCH_ENDPOINTS.map((each) => `'${each}'`);
    const supported = `${known.slice(0, -1).join(', ')}, and ${known.at(-1)}`;
    throw refusal('invalid_value', 'endpoint', `Invalid value: '${shown(endpoint)}'. Supported values are: ${supported}.`);
  }
  if (completionWindow !== WINDOW) {
    const message = `Invalid value for 'completion_window': '${shown(completionWindow)}'. Supported values are: '${WINDOW}'.`;
    throw refusal('invalid_value', 'completion_window', message);
  }
  const metadata = metadataOf(body['metadata'] ?? null);
  return { inputFile, endpoint, completionWindow, metadata, outputExpiresAfterS: expiryOf(body['output_expires_after'] ?? null) };
}

function required(body: JsonObject, param: string): string {
  const value = body[param] ?? null;
  if (value === null) throw refusal('missing_required_parameter', param, `Missing required parameter: '${param}'.`);
  if (typeof value !== 'string') throw refusal('invalid_type', param, wrongType(param, 'a string', value));
  return value;
}

function metadataOf(value: unknown): Readonly<Record<string, string>> | null {
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value))
    throw refusal('invalid_type', 'metadata', wrongType('metadata', 'an object', value));
  const pairs = Object.entries(value as JsonObject);
  if (pairs.length > MOST_PAIRS) {
    const message = `Invalid 'metadata': too many properties. Expected an object with at most ${MOST_PAIRS} properties, but got an object with ${pairs.length} properties instead.`;
    throw refusal('object_above_max_properties', 'metadata', message);
  }
  for (const [key, item] of pairs) {
    const param = `metadata.${shown(key)}`;
    if (key.length > MOST_KEY_CHARS) {
      const message = `Invalid property name in 'metadata': expected at most ${MOST_KEY_CHARS} characters, but '${shown(key)}' has ${key.length}.`;
      throw refusal('property_name_above_max_length', 'metadata', message);
    }
    if (typeof item !== 'string') throw refusal('invalid_type', param, wrongType(param, 'a string', item));
    if (item.length > MOST_VALUE_CHARS) throw refusal('string_above_max_length', param, tooLong(param, MOST_VALUE_CHARS, item.length));
  }
  return value as Record<string, string>;
}

function expiryOf(value: unknown): number | null {
  const param = 'output_expires_after';
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw refusal('invalid_type', param, wrongType(param, 'an object', value));
  const { anchor, seconds } = value as JsonObject;
  if (anchor == null) throw refusal('missing_required_parameter', `${param}.anchor`, `Missing required parameter: '${param}.anchor'.`);
  if (anchor !== 'created_at') throw refusal('invalid_value', `${param}.anchor`, "Invalid value. Supported values are: 'created_at'.");
  if (seconds == null) throw refusal('missing_required_parameter', `${param}.seconds`, `Missing required parameter: '${param}.seconds'.`);
  if (typeof seconds !== 'number' || !Number.isInteger(seconds)) {
    throw refusal('invalid_type', `${param}.seconds`, wrongType(`${param}.seconds`, 'an integer', seconds));
  }
  const begin = `Invalid '${param}.seconds': integer`;
  if (seconds < LEAST_EXPIRY_S) {
    const message = `${begin} below minimum value. Expected a value >= ${LEAST_EXPIRY_S}, but got ${seconds} instead.`;
    throw refusal('integer_below_min_value', `${param}.seconds`, message);
  }
  if (seconds > MOST_EXPIRY_S) {
    const message = `${begin} above maximum value. Expected a value <= ${MOST_EXPIRY_S}, but got ${seconds} instead.`;
    throw refusal('integer_above_max_value', `${param}.seconds`, message);
  }
  return seconds;
}

function refusal(code: string, param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', message, { param, code });
}
