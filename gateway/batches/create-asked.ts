import type { JsonObject } from '../openai/json-body.ts';
import type { BatchRow } from '../state/store/batch-terms.ts';
import { BATCH_ENDPOINTS } from './endpoints.ts';
import { shownName } from '../openai/model-names.ts';
import { expiryInRange, invalid, missing, tooLong, wrongType } from '../openai/param-refusals.ts';

const WINDOW = '24h';
const MOST_PAIRS = 16;
const MOST_KEY_CHARS = 64;
const MOST_VALUE_CHARS = 512;

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
    throw invalid(`Invalid value: '${shownName(endpoint)}'. Supported values are: ${supported}.`, 'endpoint');
  }
  if (completionWindow !== WINDOW) {
    const message = `Invalid value for 'completion_window': '${shownName(completionWindow)}'. Supported values are: '${WINDOW}'.`;
    throw invalid(message, 'completion_window');
  }
  const metadata = metadataOf(body['metadata'] ?? null);
  return { inputFile, endpoint, completionWindow, metadata, outputExpiresAfterS: expiryOf(body['output_expires_after'] ?? null) };
}

/** Whether a batch is what this asks for. */
export function isAskedBy(row: BatchRow, asked: CreateAsked): boolean {
  const terms = ({ inputFile, endpoint, completionWindow, metadata, outputExpiresAfterS }: CreateAsked): string => {
    const pairs = metadata && Object.entries(metadata).toSorted(([one], [other]) => (one < other ? -1 : 1));
    return JSON.stringify([inputFile, endpoint, completionWindow, pairs, outputExpiresAfterS]);
  };
  return terms(row) === terms(asked);
}

function required(body: JsonObject, param: string): string {
  const value = body[param] ?? null;
  if (value === null) throw missing(param);
  if (typeof value !== 'string') throw invalid(wrongType(param, 'a string', value), param, 'invalid_type');
  return value;
}

function metadataOf(value: unknown): Readonly<Record<string, string>> | null {
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(wrongType('metadata', 'an object', value), 'metadata', 'invalid_type');
  const pairs = Object.entries(value as JsonObject);
  if (pairs.length > MOST_PAIRS) {
    const message = `Invalid 'metadata': too many properties. Expected an object with at most ${MOST_PAIRS} properties, but got an object with ${pairs.length} properties instead.`;
    throw invalid(message, 'metadata', 'object_above_max_properties');
  }
  for (const [key, item] of pairs) {
    const param = `metadata.${shownName(key)}`;
    if (key.length > MOST_KEY_CHARS) {
      const message = `Invalid property name in 'metadata': expected at most ${MOST_KEY_CHARS} characters, but '${shownName(key)}' has ${key.length}.`;
      throw invalid(message, 'metadata', 'property_name_above_max_length');
    }
    if (typeof item !== 'string') throw invalid(wrongType(param, 'a string', item), param, 'invalid_type');
    if (item.length > MOST_VALUE_CHARS) throw invalid(tooLong(param, MOST_VALUE_CHARS, item.length), param, 'string_above_max_length');
  }
  return value as Record<string, string>;
}

function expiryOf(value: unknown): number | null {
  const param = 'output_expires_after';
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(wrongType(param, 'an object', value), param, 'invalid_type');
  const { anchor, seconds } = value as JsonObject;
  if (anchor == null) throw missing(`${param}.anchor`);
  if (anchor !== 'created_at') throw invalid("Invalid value. Supported values are: 'created_at'.", `${param}.anchor`);
  if (seconds == null) throw missing(`${param}.seconds`);
  if (typeof seconds !== 'number' || !Number.isInteger(seconds)) {
    throw invalid(wrongType(`${param}.seconds`, 'an integer', seconds), `${param}.seconds`, 'invalid_type');
  }
  return expiryInRange(seconds, `${param}.seconds`);
}
