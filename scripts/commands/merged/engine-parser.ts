import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import type { Line, Parser } from './line.ts';

/** `(APIServer pid=7) INFO 11-29 02:13:04 [api_server.py:1] …`: no year, and the time of the machine. */
const STAMP = /^((?:\([^()]{1,80}\) )?)(DEBUG|INFO|WARNING|ERROR|CRITICAL) (\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) ?/;
/** Of uvicorn, and of Python's own logging: a level and no time. */
const LEVEL_ALONE = /^((?:\([^()]{1,80}\) )?)(DEBUG|INFO|WARNING|ERROR|CRITICAL): +/;
const TRACEBACK = /^(?:\([^()]{1,80}\) )?Traceback \(most recent call last\):/;
const LEVELS: Readonly<Record<string, string>> = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error', CRITICAL: 'error' };
/** An engine's clock may be ahead of that of the file's disk. */
const SLACK_MS = 86_400_000;
/** 29 February comes once in four years, or in eight. */
const YEARS_BACK = 8;
/** Lines before the first with a stamp: a banner has a dozen. */
const MOST_HELD = 1_000;

/** Lines of an engine. One without a stamp belongs to the one before it; those at the very beginning, to the first that has one. */
export class EngineParser implements Parser {
  readonly #source: string;
  #atMs: number | null = null;
  #level: string | null = null;
  #held: string[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  parse(line: string, latestMs: number): Line[] {
    return shownOf(line).flatMap((text) => this.#one(text, latestMs));
  }

  rest(latestMs: number): Line[] {
    if (this.#held.length === 0) return [];
    this.#atMs = latestMs;
    return this.#release();
  }

  #one(raw: string, latestMs: number): Line[] {
    const text = plainText(raw);
    const stamp = STAMP.exec(text);
    const atMs = stamp && momentOfStamp(stamp.slice(3).map(Number), latestMs);
    if (stamp && atMs !== null) {
      this.#atMs = atMs;
      const before = this.#release();
      this.#level = LEVELS[stamp[2]!] ?? null;
      return [...before, this.#line(`${stamp[1]}${text.slice(stamp[0].length)}`)];
    }
    if (this.#atMs !== null) return [this.#unstamped(text)];
    this.#held.push(text);
    if (this.#held.length <= MOST_HELD) return [];
    return this.rest(latestMs);
  }

  #release(): Line[] {
    const held = this.#held;
    this.#held = [];
    return held.map((text) => this.#unstamped(text));
  }

  #unstamped(text: string): Line {
    const [head = '', who = '', word] = LEVEL_ALONE.exec(text) ?? [];
    if (word !== undefined) this.#level = LEVELS[word] ?? null;
    else if (TRACEBACK.test(text)) this.#level = 'error';
    return this.#line(`${who}${text.slice(head.length)}`);
  }

  #line(text: string): Line {
    return { atMs: this.#atMs!, source: this.#source, origin: 'engine', level: this.#level, text, data: null };
  }
}

/** What a terminal would be left with of a line that was written over and over, and whatever has a stamp in it. */
function shownOf(line: string): string[] {
  if (!line.includes('\r')) return [line];
  const parts = line.split('\r').filter((part) => part.trim() !== '');
  return parts.length === 0 ? [''] : parts.filter((part, at) => at === parts.length - 1 || STAMP.test(part));
}

/** The last such moment before the file was written to; null: there is none in the calendar. */
function momentOfStamp([month, day, hour, minute, second]: number[], latestMs: number): number | null {
  const latest = new Date(latestMs).getFullYear();
  // Next year's first: a file may have been written to as the year ended.
  for (let year = latest + 1; year >= latest - YEARS_BACK; year--) {
    const moment = new Date(year, month! - 1, day, hour, minute, second);
    if (moment.getMonth() === month! - 1 && moment.getDate() === day && moment.getTime() <= latestMs + SLACK_MS) return moment.getTime();
  }
  return null;
}
