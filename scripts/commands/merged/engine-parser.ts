import type { EngineZone } from '../../../gateway/core/history/engine-zone.ts';
import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import type { Line, Parser } from './line.ts';
import { StampTime } from './stamp-time.ts';

/** `(APIServer pid=7) INFO 11-29 02:13:04 [api_server.py:1] …`: no year, and the time of the machine. */
const STAMP = /^((?:\([^()]{1,80}\) )?)(DEBUG|INFO|WARNING|ERROR|CRITICAL) (\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) ?/;
/** Of uvicorn, and of Python's own logging: a level and no time. */
const LEVEL_ALONE = /^((?:\([^()]{1,80}\) )?)(DEBUG|INFO|WARNING|ERROR|CRITICAL): +/;
const TRACEBACK = /^(?:\([^()]{1,80}\) )?Traceback \(most recent call last\):/;
const LEVELS: Readonly<Record<string, string>> = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error', CRITICAL: 'error' };
/** uvicorn's line for each request of whomever: it has no stamp, and names neither the request nor its client. */
export const ACCESS = /"([A-Z]+) (\S+) HTTP\/[\d.]+" \d{3}/;
/** Lines before one with a stamp: a banner has a dozen, and a busy engine takes thousands of requests between two. */
const MOST_HELD = { lines: 20_000, chars: 4 * 1024 * 1024 };

/**
 * Lines of an engine. One without a stamp belongs to the one before it; those at the very beginning, to the first that has one. That of a
 * request was printed after the last stamp, and that may be long ago: it, and what comes with it, belongs to the next one, or to when the
 * file was written to last.
 */
export class EngineParser implements Parser {
  readonly #source: string;
  readonly #time: StampTime;
  #atMs: number | null = null;
  #level: string | null = null;
  #held: string[] = [];
  #heldChars = 0;

  /** @param zone in which it stamps; null: that of this process */
  constructor(source: string, zone: EngineZone | null = null) {
    this.#source = source;
    this.#time = new StampTime(zone);
  }

  parse(line: string, latestMs: number): Line[] {
    return shownOf(line).flatMap((text) => this.#one(text, latestMs));
  }

  rest(latestMs: number): Line[] {
    return this.#held.length === 0 ? [] : this.#release(Math.max(this.#atMs ?? -Infinity, latestMs));
  }

  #one(raw: string, latestMs: number): Line[] {
    const text = plainText(raw);
    const stamp = STAMP.exec(text);
    const atMs = stamp && this.#time.momentOf(stamp.slice(3).map(Number), latestMs, this.#atMs);
    if (stamp && atMs !== null) {
      const before = this.#release(atMs);
      this.#level = LEVELS[stamp[2]!] ?? null;
      return [...before, this.#line(`${stamp[1]}${text.slice(stamp[0].length)}`)];
    }
    if (this.#atMs !== null && this.#held.length === 0 && !ACCESS.test(text)) return [this.#unstamped(text)];
    this.#held.push(text);
    this.#heldChars += text.length;
    if (this.#held.length <= MOST_HELD.lines && this.#heldChars <= MOST_HELD.chars) return [];
    return this.#release(this.#atMs ?? latestMs);
  }

  #release(atMs: number): Line[] {
    const sinceMs = this.#atMs ?? atMs;
    this.#atMs = atMs;
    const held = this.#held;
    this.#held = [];
    this.#heldChars = 0;
    return held.map((text) => ({ ...this.#unstamped(text), ...(sinceMs < atMs ? { sinceMs } : {}) }));
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
