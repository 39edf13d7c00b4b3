import { readEntry } from '../../../gateway/core/history/entry.ts';
import { printableLine } from '../past/printable.ts';
import type { Line, Parser } from './line.ts';

const TIME = /"(?:time|at)":\s?"([^"]{20,30})"/;
/** Where the time stands in a line that we have written. */
const HEAD_CHARS = 100;

/** What lines are wanted at all: others are not even read as JSON. */
export interface Wanted {
  /** Wall-clock milliseconds. */
  readonly fromMs?: number | undefined;
  /** A text that is somewhere in the line. */
  readonly text?: string | undefined;
}

/** Lines that a gateway or a supervisor has kept of its log. What is not whole is left out. */
export class LogParser implements Parser {
  readonly #source: string;
  readonly #wanted: Wanted;

  constructor(source: string, wanted: Wanted = {}) {
    this.#source = source;
    this.#wanted = wanted;
  }

  parse(line: string): Line[] {
    if (!isWanted(line, this.#wanted)) return [];
    const { time, level, event, msg, ...rest } = objectIn(line);
    if (typeof time !== 'string' || typeof event !== 'string' || typeof msg !== 'string') return [];
    const atMs = Date.parse(time);
    if (Number.isNaN(atMs)) return [];
    return [
      { atMs, source: this.#source, origin: 'log', level: levelOf(level), text: cleanText(msg), data: clean({ event, ...rest, msg }) },
    ];
  }

  rest(): Line[] {
    return [];
  }
}

/** Entries of the history. */
export class HistoryParser implements Parser {
  readonly #wanted: Wanted;

  constructor(wanted: Wanted = {}) {
    this.#wanted = wanted;
  }

  parse(line: string): Line[] {
    const entry = isWanted(line, this.#wanted) ? readEntry(line) : null;
    if (!entry) return [];
    const { at, by, level, ...data } = entry;
    return [
      { atMs: Date.parse(at), source: by, origin: 'history', level: levelOf(level), text: printableLine(entry.msg), data: clean(data) },
    ];
  }

  rest(): Line[] {
    return [];
  }
}

function isWanted(line: string, { fromMs, text }: Wanted): boolean {
  if (text !== undefined && !line.includes(text)) return false;
  if (fromMs === undefined) return line !== '';
  const [, time] = TIME.exec(line.slice(0, HEAD_CHARS)) ?? [];
  return time !== undefined && Date.parse(time) >= fromMs;
}

function objectIn(line: string): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function levelOf(level: unknown): string | null {
  return level === 'fatal' ? 'error' : typeof level === 'string' ? printableLine(level) : null;
}

/** Somebody else may have written to the file. */
function clean(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [cleanText(name), cleanValue(value)]));
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (Array.isArray(value)) return value.map(cleanValue);
  return typeof value === 'object' && value !== null ? clean(value as Record<string, unknown>) : value;
}

/** Names of fields, of models and of workers come back with each line: to look at them once is half the time of a long night. */
const REMEMBERED = { chars: 64, texts: 2_000 };
const remembered = new Map<string, string>();

function cleanText(text: string): string {
  if (text.length > REMEMBERED.chars) return printableLine(text);
  let known = remembered.get(text);
  if (known === undefined) {
    known = printableLine(text);
    if (remembered.size >= REMEMBERED.texts) remembered.clear();
    remembered.set(text, known);
  }
  return known;
}
