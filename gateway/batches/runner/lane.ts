import type { LineRun } from './line-run.ts';
import { FREE_PACE, type Pace, Sight } from './pace.ts';

/** The lines of one model that this process has in hand. */
export class Lane {
  readonly running = new Set<LineRun>();
  readonly sight = new Sight();
  pace: Pace = FREE_PACE;
  /** Monotonic ms before which nothing of it starts: somebody has said that it is too early. */
  restUntil = -Infinity;
  /** When a line of it was answered last. Monotonic ms. */
  answeredAt = -Infinity;
  /** Since when lines of it have waited for a worker that has the model; null: they do not. Monotonic ms. */
  unservedSince: number | null = null;

  /** Lines that run and have no place yet: they will take one each. */
  get comers(): number {
    let comers = 0;
    for (const run of this.running) if (!run.hasPlace && !run.isTakenBack) comers++;
    return comers;
  }

  /**
   * Gives `count` places back for calls that go first: of the lines that run, those that have run least. Some may be on their way from an
   * earlier time. @returns how many were taken back now
   */
  giveWay(count: number): number {
    let left = count;
    for (const run of this.running) if (run.isTakenBack && run.hasPlace) left--;
    const newest = [...this.running].filter((run) => run.hasPlace && !run.isTakenBack).toReversed();
    const taken = newest.slice(0, Math.max(0, left));
    for (const run of taken) run.takeBack();
    return taken.length;
  }
}

/** What decides how many lines of a model may run. */
export interface Room {
  /** Calls that its workers can run at once beyond those that have a place or wait for one. Negative: they have too many. */
  readonly spare: number;
  /** Lines that have a place. */
  readonly placed: number;
  readonly share: number;
  /** As many as interactive calls put up with. */
  readonly most: number;
  /** Somebody who has no place left has to wait in line to be given more: one line does. */
  readonly asksInLine: boolean;
}

/** How many lines of a model may run, those that do among them. At least one where there is any room for lines. Pure. */
export function allowance({ spare, placed, share, most, asksInLine }: Room): number {
  const free = Math.max(0, spare + placed);
  const own = free === 0 ? 0 : Math.max(1, Math.floor(free * share));
  return Math.min(own, most) + (asksInLine && own < most ? 1 : 0);
}

/** How long lines of a loaded model may keep a model waiting that has to be loaded in its place. */
const PATIENCE_MS = 600_000;

/**
 * Which model is asked for that no worker has: the one whose lines have waited longest; none while lines of a model that is there can run,
 * unless that takes long. So a file with several models has each of them loaded once. Pure.
 */
export function toLoad(
  lanes: Iterable<{ readonly model: string; readonly unservedSince: number | null }>,
  isBusy: boolean,
  now: number,
): string | null {
  let found: string | null = null;
  let since = isBusy ? now - PATIENCE_MS : Infinity;
  for (const { model, unservedSince } of lanes) {
    if (unservedSince === null || unservedSince >= since) continue;
    [found, since] = [model, unservedSince];
  }
  return found;
}
