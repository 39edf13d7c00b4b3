import { charsIn, type JsonObject, textLength } from './json-body.ts';

/** What says nothing of the answer. `stream_options` decides which events a stream has: what matters of it is told apart below. */
const SILENT: ReadonlySet<string> = new Set([
  'model',
  'user',
  'metadata',
  'stream_options',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'priority',
]);

/**
 * A request in the one form that all requests share which ask the same: fields in order, no spaces, numbers by their value, without what
 * says nothing of the answer. null where that cannot be said for certain: a number that JSON in JavaScript cannot hold to its last digit.
 * Pure. Two texts are equal only if their requests may be given the same answer.
 * @param ofText what a text counts as
 */
export function canonical(value: JsonObject, ofText: (text: string) => string = same): string | null {
  const { stream_options: options } = value as { stream_options?: { include_usage?: unknown; continuous_usage_stats?: unknown } | null };
  const usage = value['stream'] === true ? `${options?.include_usage === true}${options?.continuous_usage_stats === true}` : '';
  const text = fieldsOf(value, ofText, (name) => SILENT.has(name) || value[name] === null);
  return text === null ? null : usage + text;
}

/** Characters of what says nothing of the answer, counted as those of the whole request are. Pure. */
export function silentChars(value: JsonObject): number {
  let chars = 0;
  for (const name of SILENT) {
    const item = value[name];
    if (typeof item === 'string') chars += textLength(item);
    else if (typeof item === 'object' && item !== null) chars += charsIn(item);
  }
  return chars;
}

function same(text: string): string {
  return text;
}

function textOf(value: unknown, ofText: (text: string) => string): string | null {
  if (typeof value === 'string') return JSON.stringify(ofText(value));
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? null : String(value);
  if (Array.isArray(value)) return listOf(value, ofText);
  if (typeof value === 'object' && value !== null) return fieldsOf(value as JsonObject, ofText, none);
  return String(value);
}

function listOf(items: readonly unknown[], ofText: (text: string) => string): string | null {
  let text = '[';
  for (const item of items) {
    const one = textOf(item, ofText);
    if (one === null) return null;
    text += `${one},`;
  }
  return `${text}]`;
}

function fieldsOf(value: JsonObject, ofText: (text: string) => string, isLeftOut: (name: string) => boolean): string | null {
  let text = '{';
  for (const name of Object.keys(value).toSorted()) {
    if (isLeftOut(name)) continue;
    const one = textOf(value[name], ofText);
    if (one === null) return null;
    text += `${JSON.stringify(name)}:${one},`;
  }
  return `${text}}`;
}

function none(): boolean {
  return false;
}
