import type { z } from 'zod';
import { type Json, toJsonSchema } from './json-schema.ts';
import { nearestName } from './nearest-name.ts';

/** What a schema wants, in the words of an error message: `a whole number from 0 to 65535`, `p2c, round_robin or least_loaded`. */
export function expectation(schema: z.ZodType): string {
  return describe(toJsonSchema(schema));
}

/** A value as an error message shows it, cut short. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `${JSON.stringify(value.slice(0, 60))}…` : JSON.stringify(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a group of settings';
  return value === null ? 'nothing (null)' : String(value);
}

/** Advice for a value that is nearly right, beginning with `; `, or an empty string. */
export function hint(schema: z.ZodType, value: unknown, path: string): string {
  const json = toJsonSchema(schema);
  const types = typesOf(json);
  const choices = choicesOf(json);
  if (typeof value === 'string') {
    const group = groupMeant(json, value);
    if (group !== null) return `; write ${group}`;
    const asBoolean = booleanMeant(value);
    if (asBoolean !== null && (types.has('boolean') || choices.includes(asBoolean))) {
      return `; write ${asBoolean} (in YAML 1.2 only true and false are booleans)`;
    }
    if (types.has('integer') || types.has('number')) return numberHint(value, path);
    if (types.has('array')) return '; write a list, such as [a, b]';
    const near = nearestName(value, choices);
    if (near !== null) return `; did you mean ${near}?`;
  }
  if (takesAnyText(json) && (typeof value === 'number' || typeof value === 'boolean')) return '; put it in quotes';
  return '';
}

/** Text in place of a group that needs nothing but one text, or of a list of such groups: how to write it. */
function groupMeant(json: Json, text: string): string | null {
  if (json.type === 'array') {
    const entry =
      json.items === undefined || typeof json.items === 'boolean' || Array.isArray(json.items) ? null : groupMeant(json.items, text);
    return entry === null ? null : `[${entry}]`;
  }
  const required = json.required ?? [];
  // A worker may be found instead of named: what is written in its place is meant as its url all the same.
  const [key, ...more] = required.length === 0 && json.properties?.['url'] !== undefined ? ['url'] : required;
  if (json.type !== 'object' || key === undefined || more.length > 0 || !/^[\w.:/@-]{1,200}$/.test(text)) return null;
  return `{ ${key}: ${key === 'url' && !text.includes('://') ? `http://${text}` : text} }`;
}

function typesOf(json: Json): Set<string> {
  const own = json.type === undefined ? [] : [json.type].flat();
  return new Set([...own, ...(json.anyOf ?? []).flatMap((each) => [...typesOf(each as Json)])]);
}

/** Words that it takes, its alternatives' included. */
function choicesOf(json: Json): string[] {
  const own = json.const === undefined ? (json.enum ?? []) : [json.const];
  return [...own.map(String), ...(json.anyOf ?? []).flatMap((each) => choicesOf(each as Json))];
}

function takesAnyText(json: Json): boolean {
  if (json.anyOf) return json.anyOf.some((each) => takesAnyText(each as Json));
  return [json.type].flat().includes('string') && json.enum === undefined && json.const === undefined;
}

function describe(json: Json): string {
  if (json.const !== undefined) return String(json.const);
  if (json.anyOf) return alternatives(json.anyOf.map((each) => describe(each as Json)));
  if (json.enum) return alternatives(json.enum.map(String));
  const types = json.type === undefined ? [] : [json.type].flat();
  return alternatives(types.map((type) => describeType(type, json)));
}

function describeType(type: string, json: Json): string {
  switch (type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number${range(json)}`;
    case 'number':
      return `a number${range(json)}`;
    case 'string':
      return (json.minLength ?? 0) > 1 ? `text of at least ${json.minLength} characters` : 'text';
    case 'array':
      return describeList(json);
    case 'object':
      return 'a group of settings';
    default:
      return type;
  }
}

function range({ minimum, exclusiveMinimum: above, maximum }: Json): string {
  // Beyond these no number is exact: that is no range that anybody set.
  const from = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const to = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (above !== undefined) return ` above ${above}${to === undefined ? '' : `, at most ${to}`}`;
  if (from !== undefined) return to === undefined ? ` of at least ${from}` : ` from ${from} to ${to}`;
  return to === undefined ? '' : ` of at most ${to}`;
}

function describeList(json: Json): string {
  if (Array.isArray(json.items)) return `a list of ${json.items.length} values`;
  if (json.minItems !== undefined && json.maxItems !== undefined) return `a list of ${json.minItems} to ${json.maxItems} values`;
  if (json.minItems !== undefined) return `a list of at least ${json.minItems} value${json.minItems === 1 ? '' : 's'}`;
  return json.maxItems === undefined ? 'a list' : `a list of at most ${json.maxItems} values`;
}

/** `a, b or c`; what is there twice is said once. */
export function alternatives(all: readonly string[]): string {
  const words = [...new Set(all)];
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function booleanMeant(text: string): 'true' | 'false' | null {
  if (/^(yes|on|y|true)$/i.test(text)) return 'true';
  return /^(no|off|n|false)$/i.test(text) ? 'false' : null;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

function numberHint(text: string, path: string): string {
  const [, digits, unit = ''] = /^\s*(-?\d[\d_]*(?:\.\d+)?)\s*(ms|s|m|min|h|%)?\s*$/.exec(text) ?? [];
  if (digits === undefined) return '';
  const number = Number(digits.replaceAll('_', ''));
  if (unit === '') return digits.includes('_') ? `; write ${number}` : '; write it without quotes';
  if (unit === '%') return `; write ${number / 100}`;
  return path.endsWith('_ms') ? `; it is in milliseconds: write ${number * UNIT_MS[unit]!}` : '';
}
