import { checkShape, type Checked } from '../body/check.ts';
import type { FieldProblem } from '../body/problem.ts';
import { isTaken, readBool, readFloat, readInt, readText, type Read } from '../body/scalars.ts';
import { type BodyName, bodyShape } from '../body/shapes.ts';
import { invalidFields } from './api-error.ts';

type FieldKind = 'int' | 'float' | 'bool' | 'str' | 'list' | 'dict';

/** What a body of the simulation's own must and may hold; those of vLLM are in its own table. */
export interface BodyShape {
  readonly required: readonly string[];
  readonly kinds: Readonly<Record<string, FieldKind>>;
}

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Holds a body against vLLM's own model of it. Throws ApiError. */
export function checkBody(name: BodyName, body: unknown): { readonly body: JsonObject; readonly later: Checked['later'] } {
  if (body === null || body === undefined) throw invalidFields([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }]);
  const { value, problems, later } = checkShape(bodyShape(name), body, ['body']);
  if (problems.length > 0) throw invalidFields(problems);
  return { body: value as JsonObject, later };
}

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
  }
  for (const [field, kind] of Object.entries(shape.kinds)) {
    const value = body[field];
    if (value === undefined || value === null) continue;
    const read = readKind(kind, value);
    if (isTaken(read)) checked[field] = read.value;
    else problems.push({ ...read, loc: ['body', field], input: value });
  }
  if (problems.length > 0) throw invalidFields(problems);
  return checked;
}

function readKind(kind: FieldKind, value: unknown): Read {
  switch (kind) {
    case 'int':
      return readInt(value);
    case 'float':
      return readFloat(value);
    case 'bool':
      return readBool(value);
    case 'str':
      return readText(value);
    case 'list':
      return Array.isArray(value) ? { value, exact: true } : { type: 'list_type', msg: 'Input should be a valid list' };
    case 'dict':
      return isObject(value) ? { value, exact: true } : { type: 'dict_type', msg: 'Input should be a valid dictionary' };
  }
}
