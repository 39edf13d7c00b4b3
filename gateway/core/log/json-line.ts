import { KNOWN, capped, MAX_ITEMS, type LogFields } from './fields.ts';

/** Each field as it begins in a line. */
const KEYS: ReadonlyMap<string, string> = new Map([...KNOWN].map((name) => [name, `,"${name}":`]));
/** Text that JSON takes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/**
 * A line of log as JSON, with its line end: listed fields that have a value, strings and lists cut to size. `time` is ISO. Written here and
 * not by a library because each request ends with one.
 */
export function jsonLine(level: string, time: string, event: string, msg: string, fields: LogFields): string {
  let line = `{"level":"${level}","time":"${time}","event":${quoted(event)}`;
  for (const name in fields) {
    const value: unknown = fields[name as keyof LogFields];
    if (value === undefined || value === null) continue;
    const key = KEYS.get(name);
    if (key === undefined) continue;
    if (typeof value === 'string') line += key + quoted(capped(value));
    else if (typeof value === 'number') line += key + (Number.isFinite(value) ? value : null);
    else if (typeof value === 'boolean') line += key + value;
    else if (Array.isArray(value)) line += key + listOf(value);
  }
  return `${line},"msg":${quoted(capped(msg))}}\n`;
}

function listOf(items: readonly unknown[]): string {
  return `[${items
    .slice(0, MAX_ITEMS)
    .map((item) => quoted(capped(String(item))))
    .join(',')}]`;
}

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
