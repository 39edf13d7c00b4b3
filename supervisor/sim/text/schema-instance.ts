import { textMatching } from './pattern-text.ts';

type Schema = Readonly<Record<string, unknown>>;

const WORDS = ['simulated', 'gate', 'stream', 'level', 'river', 'meadow', 'north', 'amber'];

/** Below this depth only required fields are filled in, so that a schema that refers to itself comes to an end. */
const FULL_DEPTH = 4;
const MAX_DEPTH = 24;

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOf(schema: Schema, key: string): number | null {
  const value = schema[key];
  return typeof value === 'number' ? value : null;
}

/** A value that validates against `schema` (JSON Schema, what structured outputs use of it). `next` gives numbers in 0..1. */
export function instanceOf(schema: unknown, next: () => number): unknown {
  return make(schema, { root: schema, next }, 0);
}

interface Context {
  readonly root: unknown;
  readonly next: () => number;
}

function resolve(reference: string, context: Context): unknown {
  if (!reference.startsWith('#')) return {};
  let at: unknown = context.root;
  for (const part of reference.slice(1).split('/').filter(Boolean)) {
    if (typeof at !== 'object' || at === null) return {};
    at = (at as Record<string, unknown>)[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return at;
}

/** One schema that says what `allOf` and the keywords beside it say together. */
function merge(schemas: readonly unknown[], context: Context): Schema {
  const merged: Record<string, unknown> = {};
  for (const part of schemas) {
    if (!isSchema(part)) continue;
    const schema = typeof part['$ref'] === 'string' ? merge([resolve(part['$ref'], context), { ...part, $ref: undefined }], context) : part;
    for (const [key, value] of Object.entries(schema)) {
      if (value === undefined) continue;
      const before = merged[key];
      if (key === 'properties' && isSchema(before) && isSchema(value)) merged[key] = { ...before, ...value };
      else if (key === 'required' && Array.isArray(before) && Array.isArray(value)) merged[key] = [...new Set([...before, ...value])];
      else if (/^(?:minimum|minLength|minItems)$/.test(key) && typeof before === 'number') merged[key] = Math.max(before, Number(value));
      else if (/^(?:maximum|maxLength|maxItems)$/.test(key) && typeof before === 'number') merged[key] = Math.min(before, Number(value));
      else merged[key] = value;
    }
  }
  return merged;
}

function make(schema: unknown, context: Context, depth: number): unknown {
  if (!isSchema(schema) || depth > MAX_DEPTH) return depth > MAX_DEPTH ? null : {};
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return pick(schema['enum'], context);
  if (typeof schema['$ref'] === 'string') return make(merge([schema], context), context, depth + 1);
  if (Array.isArray(schema['allOf'])) return make({ ...merge([schema, ...schema['allOf']], context), allOf: undefined }, context, depth);
  for (const key of ['anyOf', 'oneOf'] as const) {
    const options = schema[key];
    if (!Array.isArray(options) || options.length === 0) continue;
    const chosen = depth >= FULL_DEPTH ? simplest(options) : pick(options, context);
    return make(merge([{ ...schema, [key]: undefined }, chosen], context), context, depth + 1);
  }
  return makeTyped(typeOf(schema, depth, context), schema, context, depth);
}

/** At the greatest depth: the first branch that leads no deeper, if there is one. */
function simplest(options: readonly unknown[]): unknown {
  return (
    options.find(
      (option) => isSchema(option) && option['type'] !== 'object' && option['type'] !== 'array' && option['$ref'] === undefined,
    ) ?? options[0]
  );
}

function pick(options: readonly unknown[], context: Context): unknown {
  return options[Math.floor(context.next() * options.length)];
}

function typeOf(schema: Schema, depth: number, context: Context): string {
  const { type } = schema;
  if (typeof type === 'string') return type;
  if (Array.isArray(type)) {
    const simple = type.filter((name) => name !== 'object' && name !== 'array');
    return String(pick(depth >= FULL_DEPTH && simple.length > 0 ? simple : type, context));
  }
  if ('properties' in schema || 'required' in schema || 'additionalProperties' in schema) return 'object';
  if ('items' in schema || 'prefixItems' in schema) return 'array';
  if ('pattern' in schema || 'minLength' in schema || 'format' in schema) return 'string';
  if ('minimum' in schema || 'maximum' in schema || 'multipleOf' in schema) return 'number';
  return 'object';
}

function makeTyped(type: string, schema: Schema, context: Context, depth: number): unknown {
  switch (type) {
    case 'string':
      return makeString(schema, context);
    case 'integer':
    case 'number':
      return makeNumber(schema, context, type === 'integer');
    case 'boolean':
      return context.next() < 0.5;
    case 'null':
      return null;
    case 'array':
      return makeArray(schema, context, depth);
    default:
      return makeObject(schema, context, depth);
  }
}

function makeObject(schema: Schema, context: Context, depth: number): unknown {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'].map(String) : [];
  const result: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    if (depth < FULL_DEPTH || required.includes(name)) result[name] = make(property, context, depth + 1);
  }
  const more = isSchema(schema['additionalProperties']) ? schema['additionalProperties'] : { type: 'string' };
  for (const name of required) if (!(name in result)) result[name] = make(more, context, depth + 1);
  const least = numberOf(schema, 'minProperties') ?? 0;
  for (let i = 1; Object.keys(result).length < least; i++) result[`key${i}`] = make(more, context, depth + 1);
  return result;
}

function makeArray(schema: Schema, context: Context, depth: number): unknown[] {
  const fixed = Array.isArray(schema['prefixItems']) ? schema['prefixItems'] : [];
  const least = numberOf(schema, 'minItems') ?? 0;
  const most = numberOf(schema, 'maxItems') ?? Infinity;
  const usual = depth >= FULL_DEPTH ? least : Math.max(least, 1 + Math.floor(context.next() * 2));
  const length = Math.min(most, Math.max(fixed.length, schema['items'] === false ? fixed.length : usual));
  const list: unknown[] = [];
  const seen = new Set<string>();
  for (let tries = 0; list.length < length && tries < length + 50; tries++) {
    const item = make(fixed[list.length] ?? schema['items'] ?? { type: 'string' }, context, depth + 1);
    const key = JSON.stringify(item);
    if (schema['uniqueItems'] === true && seen.has(key)) continue;
    seen.add(key);
    list.push(item);
  }
  return list;
}

function makeNumber(schema: Schema, context: Context, whole: boolean): number {
  const step = numberOf(schema, 'multipleOf') ?? (whole ? 1 : 0.5);
  const above = numberOf(schema, 'exclusiveMinimum');
  const below = numberOf(schema, 'exclusiveMaximum');
  let low = numberOf(schema, 'minimum') ?? -Infinity;
  let high = numberOf(schema, 'maximum') ?? Infinity;
  if (above !== null) low = Math.max(low, above);
  if (below !== null) high = Math.min(high, below);
  if (low === -Infinity) low = high === Infinity ? 0 : Math.min(0, high - 100 * step);
  if (high === Infinity) high = low + 100 * step;
  const allowed = (value: number): boolean => value >= low && value <= high && value !== above && value !== below;
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step);
  for (let at = first + Math.floor(context.next() * (last - first + 1)), tries = 0; tries < 3; tries++, at = first + tries) {
    const value = Number((at * step).toPrecision(12));
    if (allowed(value)) return value;
  }
  return whole ? Math.ceil(low) : (low + high) / 2;
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-03-14T09:26:53Z',
  date: '2026-03-14',
  time: '09:26:53Z',
  duration: 'PT90S',
  email: 'someone@example.com',
  'idn-email': 'someone@example.com',
  hostname: 'example.com',
  'idn-hostname': 'example.com',
  ipv4: '192.0.2.7',
  ipv6: '2001:db8::7',
  uri: 'https://example.com/gate',
  url: 'https://example.com/gate',
  'uri-reference': '/gate',
  uuid: '6f2a1c9e-4b57-4d3a-9c1e-2f8b7a6d5e43',
  regex: '^a+$',
};

function makeString(schema: Schema, context: Context): string {
  const { pattern, format } = schema;
  if (typeof pattern === 'string') return textMatching(pattern, context.next) ?? '';
  if (typeof format === 'string' && FORMATS[format] !== undefined) return FORMATS[format];
  const least = numberOf(schema, 'minLength') ?? 0;
  const most = numberOf(schema, 'maxLength') ?? Infinity;
  let text = String(pick(WORDS, context));
  while (text.length < least) text += ` ${String(pick(WORDS, context))}`;
  return text.slice(0, Math.max(least, Math.min(most, text.length))).replace(/ $/, 'x');
}
