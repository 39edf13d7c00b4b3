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
/** The same where the answer repeats what it was asked. */
const SILENT_IN_ECHOES: ReadonlySet<string> = new Set(['model', 'stream_options', 'priority']);
const ECHOING = '/v1/responses';
/** Where the words of a prompt stand. */
const PROMPT: ReadonlySet<string> = new Set([
  'messages',
  'prompt',
  'input',
  'system',
  'instructions',
  'query',
  'documents',
  'text_1',
  'text_2',
]);
/** Of what stands there: a message has a role and other such things besides. */
const WORDS: ReadonlySet<string> = new Set(['content', 'text']);

type OfText = (text: string) => string;

/**
 * A request in the one form that all requests share which ask the same: fields in order, no spaces, numbers by their value, without what
 * says nothing of the answer. null where that cannot be said for certain: a number that JSON in JavaScript cannot hold to its last digit.
 * Pure. Two texts are equal only if their requests may be given the same answer.
 * @param path of the route
 * @param ofText what the words of a prompt count as
 */
export function canonical(value: JsonObject, path: string, ofText: OfText | null = null): string | null {
  const { stream_options: options } = value as { stream_options?: { include_usage?: unknown; continuous_usage_stats?: unknown } | null };
  const usage = value['stream'] === true ? `${options?.include_usage === true}${options?.continuous_usage_stats === true}` : '';
  const silent = silentOn(path);
  let text = '';
  for (const name of Object.keys(value).toSorted()) {
    if (silent.has(name) || value[name] === null) continue;
    const one = textOf(value[name], PROMPT.has(name) ? ofText : null, true);
    if (one === null) return null;
    text += `${JSON.stringify(name)}:${one},`;
  }
  return `${usage}{${text}}`;
}

/** Characters of what says nothing of the answer, counted as those of the whole request are. Pure. */
export function silentChars(value: JsonObject, path: string): number {
  let chars = 0;
  for (const name of silentOn(path)) {
    const item = value[name];
    if (typeof item === 'string') chars += textLength(item);
    else if (typeof item === 'object' && item !== null) chars += charsIn(item);
  }
  return chars;
}

function silentOn(path: string): ReadonlySet<string> {
  return path === ECHOING ? SILENT_IN_ECHOES : SILENT;
}

/** @param isWords whether a text at this place is of those that `ofText` is for */
function textOf(value: unknown, ofText: OfText | null, isWords: boolean): string | null {
  if (typeof value === 'string') return JSON.stringify(ofText !== null && isWords ? ofText(value) : value);
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? null : String(value);
  if (Array.isArray(value)) {
    let text = '[';
    for (const item of value) {
      const one = textOf(item, ofText, isWords);
      if (one === null) return null;
      text += `${one},`;
    }
    return `${text}]`;
  }
  if (typeof value !== 'object' || value === null) return String(value);
  let text = '{';
  for (const name of Object.keys(value).toSorted()) {
    const one = textOf((value as JsonObject)[name], ofText, WORDS.has(name));
    if (one === null) return null;
    text += `${JSON.stringify(name)}:${one},`;
  }
  return `${text}}`;
}
