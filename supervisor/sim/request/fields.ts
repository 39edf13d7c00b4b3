import { invalidFields } from './api-error.ts';
import type { FieldProblem } from './api-error.ts';

type FieldKind = 'int' | 'float' | 'bool' | 'str' | 'list' | 'dict';

/** What a body must and may hold. Fields that are not named may hold anything, as in vLLM. */
export interface BodyShape {
  readonly required: readonly string[];
  readonly kinds: Readonly<Record<string, FieldKind>>;
}

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What all requests that sample tokens share. */
export const SAMPLING_KINDS: Readonly<Record<string, FieldKind>> = {
  model: 'str',
  n: 'int',
  max_tokens: 'int',
  min_tokens: 'int',
  seed: 'int',
  stream: 'bool',
  stream_options: 'dict',
  temperature: 'float',
  top_p: 'float',
  top_k: 'int',
  min_p: 'float',
  presence_penalty: 'float',
  frequency_penalty: 'float',
  repetition_penalty: 'float',
  ignore_eos: 'bool',
  include_stop_str_in_output: 'bool',
  priority: 'int',
  stream_interval: 'int',
  return_token_ids: 'bool',
  prompt_logprobs: 'int',
};

/** Checks `body` against `shape` and turns numbers and booleans in strings into what they mean, as pydantic does. Throws ApiError. */
export function checkFields(body: unknown, shape: BodyShape): JsonObject {
  if (body === null || body === undefined) throw invalidFields([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }]);
  if (!isObject(body)) {
    const msg = 'Input should be a valid dictionary or object to extract fields from';
    throw invalidFields([{ type: 'model_attributes_type', loc: ['body'], msg, input: body }]);
  }
  const problems: FieldProblem[] = [];
  const checked: JsonObject = { ...body };
  for (const field of shape.required) {
    if (!(field in body)) problems.push({ type: 'missing', loc: ['body', field], msg: 'Field required', input: body });
    else if (body[field] === null && shape.kinds[field] !== undefined) problems.push(problemOf(shape.kinds[field], field, null));
  }
  for (const [field, kind] of Object.entries(shape.kinds)) {
    const value = body[field];
    if (value === undefined || value === null) continue;
    const coerced = coerce(kind, value);
    if (coerced === undefined) problems.push(problemOf(kind, field, value));
    else checked[field] = coerced;
  }
  if (problems.length > 0) throw invalidFields(problems);
  return checked;
}

/** The value as `kind`; undefined where it cannot be read as such. */
function coerce(kind: FieldKind, value: unknown): unknown {
  switch (kind) {
    case 'int':
      if (typeof value === 'boolean') return Number(value);
      if (typeof value === 'string' && /^\s*[-+]?\d+\s*$/.test(value)) return Number(value);
      return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
    case 'float':
      if (typeof value === 'boolean') return Number(value);
      if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
      return typeof value === 'number' ? value : undefined;
    case 'bool':
      if (value === 1 || (typeof value === 'string' && /^(?:true|1|yes|on|t|y)$/i.test(value))) return true;
      if (value === 0 || (typeof value === 'string' && /^(?:false|0|no|off|f|n)$/i.test(value))) return false;
      return typeof value === 'boolean' ? value : undefined;
    case 'str':
      return typeof value === 'string' ? value : undefined;
    case 'list':
      return Array.isArray(value) ? value : undefined;
    case 'dict':
      return isObject(value) ? value : undefined;
  }
}

function problemOf(kind: FieldKind, field: string, input: unknown): FieldProblem {
  const loc = ['body', field];
  const text = typeof input === 'string';
  switch (kind) {
    case 'int':
      if (text) return { type: 'int_parsing', loc, msg: 'Input should be a valid integer, unable to parse string as an integer', input };
      if (typeof input === 'number') {
        return { type: 'int_from_float', loc, msg: 'Input should be a valid integer, got a number with a fractional part', input };
      }
      return { type: 'int_type', loc, msg: 'Input should be a valid integer', input };
    case 'float':
      if (text) return { type: 'float_parsing', loc, msg: 'Input should be a valid number, unable to parse string as a number', input };
      return { type: 'float_type', loc, msg: 'Input should be a valid number', input };
    case 'bool':
      if (text || typeof input === 'number') {
        return { type: 'bool_parsing', loc, msg: 'Input should be a valid boolean, unable to interpret input', input };
      }
      return { type: 'bool_type', loc, msg: 'Input should be a valid boolean', input };
    case 'str':
      return { type: 'string_type', loc, msg: 'Input should be a valid string', input };
    case 'list':
      return { type: 'list_type', loc, msg: 'Input should be a valid list', input };
    case 'dict':
      return { type: 'dict_type', loc, msg: 'Input should be a valid dictionary', input };
  }
}
