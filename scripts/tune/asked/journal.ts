import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Axis, Point } from '../grid/axes.ts';
import type { PointResult } from '../grid/outcome.ts';

export const JOURNAL = 'journal.jsonl';

/** A process as it is found again: its number may be another's by then, its birth not. */
export interface ProcessMark {
  readonly pid: number;
  /** null: the system does not say. */
  readonly startTicks: number | null;
}

/** What a run is about. One that is to go on must be about the same. */
export interface Subject {
  readonly model: string;
  readonly profile: string;
  readonly engine: string;
  readonly engineVersion: string | null;
  readonly cards: readonly string[];
  readonly axes: readonly Axis[];
  readonly search: string;
  readonly prunes: boolean;
  readonly repeats: number;
  readonly seed: number;
  /** The load and the objectives, in words. */
  readonly load: string;
  readonly objectives: string;
  /** Of all that the words leave out of what is sent, and of what the engine has below the grid: a hash, since it may hold secrets. */
  readonly requests: string;
  readonly settings: string;
}

export type Entry =
  | { readonly kind: 'begun' | 'resumed'; readonly at: string; readonly subject: Subject; readonly by: ProcessMark }
  /** Before anything is waited for, so that whoever comes later can end it. */
  | {
      readonly kind: 'launched';
      readonly point: string;
      readonly process: ProcessMark;
      readonly stateDir: string;
      readonly control: string;
    }
  | { readonly kind: 'ended'; readonly stateDir: string }
  | { readonly kind: 'result'; readonly result: PointResult }
  | { readonly kind: 'skipped'; readonly point: Point; readonly why: string }
  | { readonly kind: 'done'; readonly at: string };

/** A run's own record, a JSON object a line: each is on the disk before the next thing happens, and a half line of a kill is no line. */
export class Journal implements Disposable {
  readonly #file: number;

  constructor(folder: string) {
    const path = join(folder, JOURNAL);
    const isTorn = existsSync(path) && !['', '\n'].includes(readFileSync(path, 'utf8').slice(-1));
    this.#file = openSync(path, 'a', 0o644);
    if (isTorn) writeSync(this.#file, '\n');
  }

  /** @throws Error with the system's code */
  add(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** What is on record of a run; null where there is no run, or none of this version. */
export interface Past {
  readonly subject: Subject;
  /** Its last life: when that began, as ISO time, and who it was. */
  readonly at: string;
  readonly by: ProcessMark;
  readonly results: readonly PointResult[];
  /** Launched, and never told to have ended. */
  readonly open: readonly Extract<Entry, { kind: 'launched' }>[];
  readonly skipped: ReadonlySet<string>;
  readonly isDone: boolean;
}

export function readJournal(folder: string): Past | null {
  const path = join(folder, JOURNAL);
  if (!existsSync(path)) return null;
  return pastOf(readFileSync(path, 'utf8'));
}

/** Lines that are none are left out: a kill may have cut one. NaN became null in JSON and is NaN again. */
export function pastOf(text: string): Past | null {
  let begun: Extract<Entry, { kind: 'begun' | 'resumed' }> | null = null;
  let isDone = false;
  const results = new Map<string, PointResult>();
  const open = new Map<string, Extract<Entry, { kind: 'launched' }>>();
  const skipped = new Set<string>();
  for (const line of text.split('\n')) {
    const entry = readEntry(line);
    switch (entry?.kind) {
      case 'begun':
      case 'resumed':
        [begun, isDone] = [entry, false];
        break;
      case 'launched':
        open.set(entry.stateDir, entry);
        break;
      case 'ended':
        open.delete(entry.stateDir);
        break;
      case 'result':
        results.set(entry.result.point.key, entry.result);
        break;
      case 'skipped':
        skipped.add(entry.point.key);
        break;
      case 'done':
        isDone = true;
        break;
      case undefined:
    }
  }
  if (begun === null) return null;
  const { subject, at, by } = begun;
  return { subject, at, by, results: [...results.values()], open: [...open.values()], skipped, isDone };
}

function readEntry(line: string): Entry | null {
  try {
    return JSON.parse(line, (key, value: unknown) => (value === null && MEASURED.has(key) ? NaN : value)) as Entry | null;
  } catch {
    return null;
  }
}

/** Figures, of which JSON knows no NaN. */
const MEASURED: ReadonlySet<string> = new Set(['e2e', 'ttft', 'tpot', 'itl', 'outputTokenRate', 'requestRate', 'errorShare']);

/** Every run of this kind below a folder of runs that has a record, the one that was last begun or gone on with last. */
export function runsBelow(runs: string): readonly { readonly folder: string; readonly past: Past }[] {
  const names = existsSync(runs) ? readdirSync(runs).filter((name) => name.includes('-tune-')) : [];
  const found = names.flatMap((name) => {
    const folder = join(runs, name);
    const past = readJournal(folder);
    return past === null ? [] : [{ folder, past }];
  });
  return found.toSorted((a, b) => (a.past.at < b.past.at ? -1 : 1));
}

/** The newest run below a folder of runs that has not come to its end and is about the same; null: none. */
export function unfinishedRun(runs: string, subject: Subject): string | null {
  const found = runsBelow(runs).findLast(({ past }) => !past.isDone && differences(past.subject, subject).length === 0);
  return found?.folder ?? null;
}

/** What two runs are not the same about, by name. */
export function differences(a: Subject, b: Subject): readonly string[] {
  return Object.keys(b).filter((name) => JSON.stringify(a[name as keyof Subject]) !== JSON.stringify(b[name as keyof Subject]));
}
