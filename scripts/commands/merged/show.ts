import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import { printableBeginning, printableLine } from '../past/printable.ts';
import type { Line } from './line.ts';
import { sentence } from '../../../gateway/core/history/sentence.ts';
import { requestText } from '../../../gateway/core/log/request-text.ts';

export interface Showing {
  readonly json: boolean;
  /** It is a terminal that shows colors. */
  readonly colors: boolean;
  /** Of the names of sources, in characters. */
  readonly width: number;
}

/** Of what an engine prints: longer lines are cut. */
const MOST_CHARS = 16 * 1024;
const LEVEL_CHARS = 'error'.length;
const SECONDS_END = 'YYYY-MM-DDThh:mm:ss'.length;
const MILLISECONDS = '.mmm';
const COLORS: Readonly<Record<string, string>> = { error: '\u001b[31m', warn: '\u001b[33m', debug: '\u001b[2m' };
const PLAIN = '\u001b[0m';

/** A line with its end: as an object, or for people. */
export function shownLine(line: Line, { json, colors, width }: Showing): string {
  if (json) return `${JSON.stringify(objectOf(line))}\n`;
  const head = `${timeOf(line)}  ${line.source.padEnd(width)}  ${(line.level ?? '').toUpperCase().padEnd(LEVEL_CHARS)}  `;
  const text = `${head}${textOf(line)}`.trimEnd();
  const color = colors ? COLORS[line.level ?? ''] : undefined;
  return color === undefined ? `${text}\n` : `${color}${text}${PLAIN}\n`;
}

/** An engine's stamp has no milliseconds. */
function timeOf({ atMs, origin }: Line): string {
  const iso = new Date(atMs).toISOString();
  return origin === 'engine' ? `${iso.slice(0, SECONDS_END)}Z${' '.repeat(MILLISECONDS.length)}` : iso;
}

function textOf(line: Line): string {
  const { data } = line;
  if (data === null) return engineText(line);
  if (data['event'] === 'request.end') return plainText(requestText(data));
  const { advice } = data;
  const told = plainText(sentence(data));
  return typeof advice === 'string' && advice !== '' && advice !== told ? `${told} → ${advice}` : told;
}

function objectOf(line: Line): object {
  const { atMs, source, level, data } = line;
  const head = { time: new Date(atMs).toISOString(), source, ...(level === null ? {} : { level }) };
  return data === null ? { ...head, msg: engineText(line) } : { ...head, ...data };
}

function engineText({ text }: Line): string {
  if (text.length <= MOST_CHARS) return printableLine(text);
  return `${printableBeginning(text, MOST_CHARS)}… (${text.length - MOST_CHARS} more characters)`;
}
