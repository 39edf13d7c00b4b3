import { type Clock, repeat, type Timer } from '../core/clock.ts';
import type { Call } from '../core/call.ts';
import type { LiveFigures } from '../core/events.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import type { GpuView } from '../link/snapshot.ts';
import { type CallFacts, type EndedCall, liveFacts } from './call-facts.ts';
import { History } from './history.ts';
import { type Point, wholeSeconds } from './point.ts';
import type { RecentCalls } from './recent-calls.ts';

const SECOND_MS = 1_000;
/** Calls in flight that are shown, those that came first. */
const MOST_LIVE = 200;
/** Calls that have ended since a look before: more in a second cannot be read. */
const MOST_NEWS = 100;
/** Points that are shown again with each: a look that is late by as many seconds leaves none out. */
export const LATE_SECONDS = 5;
/** Limits that are shown, those that are used up most. */
const MOST_LIMITS = 200;

export interface ObserverSources {
  readonly clock: Clock;
  readonly recent: RecentCalls;
  readonly directory: Pick<WorkerDirectory, 'workers'>;
  readonly figures: LiveFigures;
  readonly gpus: () => readonly GpuView[];
  /** Calls of clients and of lines that have not ended. */
  readonly underWay: () => Iterable<{ readonly call: Call }>;
  /** Tokens of calls that have ended, since the process started. */
  readonly tokens: () => { readonly inputTokens: number; readonly outputTokens: number };
}

export interface Breaker {
  readonly state: string;
  readonly failures: number;
  readonly open_for_ms: number | null;
}

/** What one process, or all, show of now. */
export interface Moment {
  /** The last few seconds, oldest first: whoever looks late has missed none. */
  readonly points: readonly Point[];
  readonly live: readonly CallFacts[];
  /** By process, since each counts for itself. */
  readonly ended: readonly { readonly pid: number; readonly calls: readonly EndedCall[] }[];
  readonly breakers: Readonly<Record<string, Breaker>>;
  readonly limits: readonly { readonly name: string; readonly limit: string; readonly share: number }[];
}

export interface Past {
  readonly points: readonly Point[];
  readonly ended: Moment['ended'];
}

/** Takes down once a second how things are, off the path of every call, and tells it to whoever looks. */
export class Observer {
  readonly #sources: ObserverSources;
  readonly #history = new History();
  readonly #timer: Timer;
  #before: { readonly at: number; readonly sums: Readonly<Record<string, number>> };

  constructor(sources: ObserverSources) {
    this.#sources = sources;
    this.#before = { at: sources.clock.now(), sums: this.#sums() };
    // In the middle of each second, so that a timer that is late leaves none out.
    const untilNext = (): number => 1.5 * SECOND_MS - (sources.clock.wall() % SECOND_MS);
    this.#timer = repeat(sources.clock, untilNext, () => this.#history.add(this.#look()));
  }

  close(): void {
    this.#timer.cancel();
  }

  moment(): Moment {
    const { clock, figures, recent } = this.#sources;
    const [now, wall] = [clock.now(), clock.wall()];
    const live = [...this.#sources.underWay()].map(({ call }) => call).toSorted((a, b) => a.arrivedAt - b.arrivedAt);
    return {
      points: this.#history.points().slice(-LATE_SECONDS),
      live: live.slice(0, MOST_LIVE).map((call) => liveFacts(call, now, wall - now)),
      ended: [{ pid: process.pid, calls: recent.last(MOST_NEWS) }],
      breakers: Object.fromEntries(
        [...figures.breakers()].map(([worker, { state, consecutiveFailures, openUntilMs }]) => [
          worker,
          { state, failures: consecutiveFailures, open_for_ms: openUntilMs === null ? null : Math.max(0, Math.round(openUntilMs - now)) },
        ]),
      ),
      limits: [...figures.limitsUsed()]
        .toSorted((a, b) => b.share - a.share)
        .slice(0, MOST_LIMITS)
        .map(({ name, limit, share }) => ({ name, limit, share: rounded(share, 1000) })),
    };
  }

  past(): Past {
    return { points: this.#history.points(), ended: [{ pid: process.pid, calls: this.#sources.recent.last() }] };
  }

  #look(): Point {
    const { clock, recent, directory, figures, gpus } = this.#sources;
    const now = clock.now();
    const sums = this.#sums();
    const { at, sums: before } = this.#before;
    this.#before = { at: now, sums };
    const seconds = Math.max(0.001, (now - at) / SECOND_MS);
    const values: Record<string, number> = {};
    // What a stream has brought so far may be counted otherwise at its end.
    for (const [name, sum] of Object.entries(sums)) values[name] = rounded(Math.max(0, (sum - (before[name] ?? 0)) / seconds));
    values['in_flight'] = figures.inFlight();
    values['queued'] = figures.queueDepth('interactive');
    values['queued_batch'] = figures.queueDepth('batch');
    for (const [name, spread] of [
      ['first', recent.firstToken.read()],
      ['token', recent.perToken.read()],
    ] as const) {
      if (spread) Object.assign(values, { [`${name}_p50`]: spread.p50, [`${name}_p95`]: spread.p95, [`${name}_count`]: spread.count });
    }
    for (const { id, load } of directory.workers()) {
      if (load.scrapedAt === null) continue;
      values[`kv:${id}`] = rounded(load.kvUsage, 1000);
      values[`run:${id}`] = load.running;
    }
    for (const gpu of gpus()) {
      const of = `gpu:${gpu.index}`;
      if (gpu.memoryUsedBytes !== null) values[`${of}:memory`] = rounded(gpu.memoryUsedBytes / gpu.memoryTotalBytes, 1000);
      if (gpu.utilization !== null) values[`${of}:use`] = rounded(gpu.utilization, 1000);
      if (gpu.temperatureCelsius !== null) values[`${of}:heat`] = gpu.temperatureCelsius;
      if (gpu.powerWatts !== null) values[`${of}:power`] = Math.round(gpu.powerWatts);
    }
    return { t: Math.floor(clock.wall() / SECOND_MS), values };
  }

  /** What only grows. */
  #sums(): Record<string, number> {
    const { recent, tokens } = this.#sources;
    const { counts } = recent;
    const { inputTokens, outputTokens } = tokens();
    let flowing = 0;
    for (const { call } of this.#sources.underWay()) flowing += call.attempts.at(-1)?.chunks ?? 0;
    return {
      requests: counts.requests,
      refused: counts.refused,
      failed: counts.failed,
      operators: counts.operators,
      input: inputTokens,
      output: outputTokens + flowing,
      ...Object.fromEntries([...counts.reasons].map(([reason, count]) => [`refused:${reason}`, count])),
    };
  }
}

/** What several processes show, of which the first speaks for what all see alike. */
export function mergedMoment([first, ...others]: readonly [Moment, ...Moment[]]): Moment {
  const all = [first, ...others];
  return {
    points: wholeSeconds(all.map(({ points }) => points)),
    live: all.flatMap(({ live }) => live).toSorted((a, b) => a.at - b.at),
    ended: all.flatMap(({ ended }) => ended),
    breakers: first.breakers,
    limits: first.limits,
  };
}

export function mergedPast(parts: readonly Past[]): Past {
  return { points: wholeSeconds(parts.map(({ points }) => points)), ended: parts.flatMap(({ ended }) => ended) };
}

function rounded(value: number, parts = 10): number {
  return Math.round(value * parts) / parts;
}
