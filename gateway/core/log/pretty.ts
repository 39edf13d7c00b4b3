import { plainText } from '../secrets/plain-text.ts';
import { requestText } from './request-text.ts';

/** Keys that the head of a pretty line shows already. */
const IN_HEAD: ReadonlySet<string> = new Set(['time', 'level', 'event', 'msg']);
/** What a terminal might obey instead of showing. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const CLOCK_START = 'YYYY-MM-DDT'.length;
const CLOCK_END = 'YYYY-MM-DDThh:mm:ss.mmm'.length;

/** Of a request the line has what this leaves out, where it went wrong. */
const CAUSES = ['error_name', 'cause_code', 'stack'];

/**
 * A JSON log line as one line for people: `12:34:56.789Z INFO  event · message key=value …`, in UTC as everywhere in the log. That of a
 * request reads as `headgate logs` shows it.
 */
export function prettyLine(json: string): string {
  const { time, level, event, msg, ...rest } = JSON.parse(json) as Record<string, unknown>;
  const isRequest = event === 'request.end';
  const head = [`${String(time).slice(CLOCK_START, CLOCK_END)}Z`, String(level).toUpperCase().padEnd(5)];
  const told = isRequest
    ? [plainText(requestText(rest)).replaceAll('\t', ' ')]
    : [shown(event), isEmpty(msg) ? '' : `· ${shownText(String(msg))}`];
  const fields = Object.entries(rest)
    .filter(([key, value]) => (isRequest ? CAUSES.includes(key) : !IN_HEAD.has(key)) && !isEmpty(value))
    .map(([key, value]) => `${key}=${shown(value)}`);
  return [...head, ...told, ...fields].filter((part) => part !== '').join(' ') + '\n';
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(',');
  if (typeof value !== 'string') return String(value);
  return value === '' || /[\s"=]/.test(value) || CONTROL.test(value) ? escaped(value) : value;
}

/** Text of others as it may be written to a terminal. */
export function shownText(text: string): string {
  return CONTROL.test(text) ? escaped(text) : text;
}

/** As a JSON string, with the control characters that JSON leaves alone written out too. */
function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return JSON.stringify(text).replace(/[\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
