import { type Clock, systemClock } from '../../../gateway/core/clock.ts';
import { readEntry } from '../../../gateway/core/history/entry.ts';
import { printableLine } from '../past/printable.ts';
import type { Line, Parser } from './line.ts';

const TIME = /"(?:time|at)":\s?"([^"]{20,30})"/;
/** Where the time stands in a line that we have written. */
const HEAD_CHARS = 100;

/** Deeper than anything that we write; somebody else's may be so deep that to look into it ends the program. */
const MOST_DEEP = 8;
/** A time before Headgate, or ahead of its clock by more than a zone or a wrong battery explains, is none. */
const EARLIEST_MS = Date.UTC(2000, 0, 1);
const AHEAD_MS = 86_400_000;

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
  readonly #sieve: Sieve;

  constructor(source: string, wanted: Wanted = {}, clock: Clock = systemClock) {
    this.#source = source;
    this.#sieve = new Sieve(wanted, clock);
  }

  parse(line: string, latestMs: number): Line[] {
    if (!this.#sieve.isWanted(line, latestMs)) return [];
    const { time, level, event, msg, ...rest } = objectIn(line);
    if (typeof time !== 'string' || typeof event !== 'string' || typeof msg !== 'string') return [];
    const atMs = this.#sieve.timeOf(time, latestMs);
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
  readonly #sieve: Sieve;

  constructor(wanted: Wanted = {}, clock: Clock = systemClock) {
    this.#sieve = new Sieve(wanted, clock);
  }

  parse(line: string, latestMs: number): Line[] {
    const entry = this.#sieve.isWanted(line, latestMs) ? readEntry(line) : null;
    if (!entry) return [];
    const { at, by, level, ...data } = entry;
    const atMs = this.#sieve.timeOf(at, latestMs);
    return [{ atMs, source: by, origin: 'history', level: levelOf(level), text: printableLine(entry.msg), data: clean(data) }];
  }

  rest(): Line[] {
    return [];
  }
}

/** Which lines are wanted, before they are read, and when each was. */
class Sieve {
  readonly #wanted: Wanted;
  readonly #clock: Clock;
  /** Of the last line that has a sound time. */
  #lastMs: number | null = null;

  constructor(wanted: Wanted, clock: Clock) {
    this.#wanted = wanted;
    this.#clock = clock;
  }

  isWanted(line: string, latestMs: number): boolean {
    const { fromMs, text } = this.#wanted;
    if (fromMs === undefined && text === undefined) return line !== '';
    const [, time] = TIME.exec(line.slice(0, HEAD_CHARS)) ?? [];
    const atMs = time === undefined ? NaN : this.timeOf(time, latestMs);
    return (fromMs === undefined || atMs >= fromMs) && (text === undefined || line.includes(text));
  }

  /** In wall-clock milliseconds. One that cannot be is that of the line before, or `latestMs`; NaN where it is no time. */
  timeOf(time: string, latestMs: number): number {
    const atMs = Date.parse(time);
    const isSound = atMs >= EARLIEST_MS && atMs <= Math.max(this.#clock.wall(), latestMs) + AHEAD_MS;
    if (isSound) this.#lastMs = atMs;
    return isSound || Number.isNaN(atMs) ? atMs : (this.#lastMs ?? latestMs);
  }
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
function clean(data: Readonly<Record<string, unknown>>, depth = 0): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [cleanText(name), cleanValue(value, depth + 1)]));
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MOST_DEEP) return '…';
  return Array.isArray(value) ? value.map((item) => cleanValue(item, depth + 1)) : clean(value as Record<string, unknown>, depth);
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
