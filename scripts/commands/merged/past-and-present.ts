import { setImmediate as turn } from 'node:timers/promises';
import { type Clock, sleep } from '../../../gateway/core/clock.ts';
import { statOf } from '../past/open-file.ts';
import { beginOfLast } from '../past/tail.ts';
import type { Wanted } from './json-parser.ts';
import type { Line } from './line.ts';
import { merge, Twice } from './merge.ts';
import type { Place } from './places.ts';
import { Tap } from './tap.ts';

export interface Question {
  /** Asked again while it goes on: files come and go. */
  readonly places: () => readonly Place[];
  readonly isWanted: (line: Line) => boolean;
  /** Wall-clock milliseconds; null: from the beginning. */
  readonly fromMs: number | null;
  /** A text that is in every line that is wanted. */
  readonly text?: string;
  /** How many of the last lines of the past; null: all. */
  readonly lines: number | null;
  /** Every line of the past is wanted: only the ends of files have to be read. */
  readonly isPlain: boolean;
  readonly follow: boolean;
  /** Why a file could not be read, once for each. */
  readonly onTrouble: (path: string, reason: string) => void;
  /** false: nobody wants any more. */
  readonly show: (lines: readonly Line[]) => Promise<boolean>;
}

const LOOK_MS = 250;
/** Ours write some lines at a time, so that one of now may come behind one that others say next. */
const LATE_MS = 300;
const AT_ONCE = 512;
/** What an engine may print in a row without saying when: a traceback, requests of ten seconds. */
const UNSTAMPED_LINES = 2_000;

/** Shows what is on record, and then, where that is asked for, what comes. @returns how many lines of the past were shown */
export async function tell(clock: Clock, question: Question, signal?: AbortSignal): Promise<number> {
  const taps = new Map<string, Tap>();
  const told = new Set<string>();
  const twice = new Twice();
  const isWanted = (line: Line): boolean =>
    (question.fromMs === null || line.atMs >= question.fromMs) && question.isWanted(line) && !twice.isTold(line);

  function open(place: Place, offset: number): void {
    const onTrouble = (reason: string): void => {
      if (!told.has(place.path)) question.onTrouble(place.path, reason);
      told.add(place.path);
    };
    const wanted: Wanted = { fromMs: question.fromMs ?? undefined, text: question.text };
    const { path, isShared, isLive } = place;
    taps.set(path, new Tap({ path, offset, parser: place.parser(wanted), onTrouble, isShared, isLive: isLive && question.follow }));
  }

  try {
    const atFirst = question.places();
    const passedOver = new Map<string, number>();
    for (const place of atFirst) {
      if (isTooOld(place, question.fromMs)) passedOver.set(place.path, sizeOf(place));
      else open(place, question.isPlain ? beginOf(place, question.lines) : 0);
    }
    const count = await showPast(question, [...taps.values()], isWanted);
    if (count === null || !question.follow) return count ?? 0;
    for (const [path, tap] of taps) {
      if (atFirst.some((place) => place.path === path && place.isLive)) continue;
      tap.close();
      taps.delete(path);
    }
    while (!signal?.aborted) {
      await sleep(clock, LOOK_MS);
      for (const place of question.places()) if (place.isLive && !taps.has(place.path)) open(place, passedOver.get(place.path) ?? 0);
      if (!(await showNews(clock, question, [...taps.values()], isWanted))) break;
    }
    return count;
  } finally {
    for (const tap of taps.values()) tap.close();
  }
}

/** null: nobody wanted more. */
async function showPast(question: Question, taps: readonly Tap[], isWanted: (line: Line) => boolean): Promise<number | null> {
  const { lines: most, show } = question;
  let some: Line[] = [];
  let count = 0;
  for (const line of merge(taps)) {
    if (!isWanted(line)) continue;
    some.push(line);
    count += 1;
    if (most !== null) {
      // Twice as many at most, so that not each one moves all.
      if (some.length >= 2 * most + AT_ONCE) some = lastOf(some, most);
    } else if (some.length >= AT_ONCE) {
      if (!(await show(some))) return null;
      some = [];
      await turn();
    }
  }
  if (most !== null) some = lastOf(some, most);
  if (!(await show(some))) return null;
  return most === null ? count : Math.min(most, count);
}

async function showNews(clock: Clock, { show }: Question, taps: readonly Tap[], isWanted: (line: Line) => boolean): Promise<boolean> {
  let some: Line[] = [];
  const now = clock.wall();
  // One of the time to come is of another clock, and would wait for ever.
  const isFresh = ({ atMs }: Line): boolean => atMs <= now && now - atMs < LATE_MS;
  for (const line of merge(taps, isFresh)) {
    if (isWanted(line)) some.push(line);
    if (some.length < AT_ONCE) continue;
    if (!(await show(some))) return false;
    some = [];
    await turn();
  }
  return show(some);
}

function lastOf(lines: Line[], most: number): Line[] {
  return most === 0 ? [] : lines.slice(-most);
}

/** Nothing in it can be wanted. */
function isTooOld({ path }: Place, fromMs: number | null): boolean {
  const found = statOf(path);
  return fromMs !== null && found !== null && found.mtimeMs < fromMs;
}

function beginOf({ path, isEngine }: Place, lines: number | null): number {
  if (lines === null) return 0;
  try {
    return beginOfLast(path, isEngine ? lines + UNSTAMPED_LINES : lines);
  } catch {
    // Who reads it says why.
    return 0;
  }
}

function sizeOf({ path }: Place): number {
  return statOf(path)?.size ?? 0;
}
