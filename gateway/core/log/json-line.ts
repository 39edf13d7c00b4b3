import { withoutSecrets } from '../secrets/text.ts';
import { KNOWN, capped, MAX_ITEMS, type LogFields } from './fields.ts';

/** Each field as it begins in a line. */
const KEYS: ReadonlyMap<string, string> = new Map([...KNOWN].map((name) => [name, `,"${name}":`]));
/** Of each request anew: nothing is gained by remembering them. */
const UNIQUE: ReadonlySet<string> = new Set(['request_id', 'trace_id', 'span_id']);
/** As we make them: nothing that looks like a secret, and nothing that JSON would have to escape. */
const OWN_ID = /^(?:req_)?[0-9a-f]{16,32}$/;
/** Texts as they stand in lines: names of models, workers and keys come back with each request. Longer ones, and more, are not remembered. */
const REMEMBERED = { chars: 128, texts: 1024 };
const remembered = new Map<string, string>();
/** Of a text that is searched for secrets: several times of what is kept of it. */
const MOST_CHARS = 4096;
/** Text that JSON takes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/**
 * A line of log as JSON, with its line end: listed fields that have a value, strings and lists cut to size, and what looks like a secret
 * taken out of each, whoever wrote it. `time` is ISO. Written here and not by a library because each request ends with one.
 */
export function jsonLine(level: string, time: string, event: string, msg: string, fields: LogFields): string {
  let line = `{"level":"${level}","time":"${time}","event":${shown(event)}`;
  for (const name in fields) {
    const value: unknown = fields[name as keyof LogFields];
    if (value === undefined || value === null) continue;
    const key = KEYS.get(name);
    if (key === undefined) continue;
    if (typeof value === 'string') line += key + (UNIQUE.has(name) ? idText(value) : shown(value));
    else if (typeof value === 'number') line += key + (Number.isFinite(value) ? value : null);
    else if (typeof value === 'boolean') line += key + value;
    else if (Array.isArray(value)) line += key + listOf(value);
  }
  return `${line},"msg":${shown(msg)}}\n`;
}

function listOf(items: readonly unknown[]): string {
  return `[${items
    .slice(0, MAX_ITEMS)
    .map((item) => shown(String(item)))
    .join(',')}]`;
}

function shown(text: string): string {
  if (text.length > REMEMBERED.chars) return safe(text);
  let known = remembered.get(text);
  if (known === undefined) {
    known = safe(text);
    if (remembered.size >= REMEMBERED.texts) remembered.clear();
    remembered.set(text, known);
  }
  return known;
}

function idText(id: string): string {
  return OWN_ID.test(id) ? `"${id}"` : safe(id);
}

/** Cut last: half a secret would not look like one. */
function safe(text: string): string {
  return quoted(capped(withoutSecrets(text.length > MOST_CHARS ? text.slice(0, MOST_CHARS) : text)));
}

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
