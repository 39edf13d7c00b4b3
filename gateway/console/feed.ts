import type { ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import { dropIfStalled } from '../http/stalled-client.ts';
import type { AdminStatus } from '../http/pages/admin-answers.ts';
import { columnsOf } from './history.ts';
import type { Happening } from './happenings.ts';
import { LATE_SECONDS, type Moment, type Past } from './observer.ts';

/** Connections that may look on at once. */
export const MOST_LOOKING = 16;
const BEAT_MS = 1_000;
/** Between two frames. */
const GAP_MS = 250;
/** How long one that looks on may leave its last frame unread. */
const STALLED_MS = 60_000;

export interface FeedSources {
  readonly clock: Clock;
  readonly directory: Pick<WorkerDirectory, 'onChange'>;
  /** What /admin/status answers. */
  readonly status: () => AdminStatus | Promise<AdminStatus>;
  readonly moment: () => Moment | Promise<Moment>;
  readonly past: () => Past | Promise<Past>;
  /** What is on record, the same array until something has come. */
  readonly happenings: () => Promise<readonly Happening[]>;
}

interface Looker {
  readonly response: ServerResponse;
  /** It has had the snapshot, and nothing after it was left out. */
  follows: boolean;
  readAt: number;
}

/**
 * GET /admin/events: how things are, and from then on what has changed, once a second and soon after a change of the workers. One look and
 * one text serve all who look on. One that does not read in time is left out, and told everything again. While nobody looks, nothing runs.
 */
export class Feed {
  readonly #sources: FeedSources;
  readonly #lookers = new Set<Looker>();
  /** By process: the number of the last call that was told of. */
  readonly #told = new Map<number, number>();
  /** The last second that was told of. */
  #toldUpTo = -Infinity;
  #status: AdminStatus | null = null;
  #moment: Moment | null = null;
  #happenings: readonly Happening[] = [];
  #timer: Timer | null = null;
  #offChange: (() => void) | null = null;
  #beatAt = -Infinity;
  #beating = false;
  #id = 0;
  #closed = false;

  constructor(sources: FeedSources) {
    this.#sources = sources;
  }

  /** Answers with events until the client leaves or this is closed. @throws queue_full · draining */
  look(response: ServerResponse): void {
    if (this.#closed) throw new GatewayError('draining', 'The gateway is shutting down.');
    if (this.#lookers.size >= MOST_LOOKING) {
      throw new GatewayError('queue_full', `The console is open over ${MOST_LOOKING} connections already.`);
    }
    if (response.destroyed) return;
    const looker: Looker = { response, follows: false, readAt: this.#sources.clock.now() };
    this.#lookers.add(looker);
    response.once('close', () => this.#forget(looker));
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    response.write('retry: 2000\n\n');
    this.#offChange ??= this.#sources.directory.onChange(() => this.#arm(this.#beatAt + GAP_MS - this.#sources.clock.now()));
    this.#arm(0);
  }

  /** Ends what is open. Whoever comes later is refused. */
  close(): void {
    this.#closed = true;
    for (const looker of this.#lookers) {
      this.#forget(looker);
      looker.response.end();
      dropIfStalled(looker.response);
    }
  }

  #forget(looker: Looker): void {
    this.#lookers.delete(looker);
    if (this.#lookers.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#offChange?.();
    this.#offChange = null;
  }

  /** The next beat, unless an earlier one is due. */
  #arm(ms: number): void {
    if (this.#beating) return;
    this.#timer?.cancel();
    this.#timer = this.#sources.clock.after(Math.max(0, ms), () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const { clock, past } = this.#sources;
    this.#beating = true;
    this.#beatAt = clock.now();
    try {
      const [status, moment, happenings] = await Promise.all([this.#sources.status(), this.#sources.moment(), this.#sources.happenings()]);
      const ready = [...this.#lookers].filter((looker) => this.#hasRead(looker));
      const news = ready.filter(({ follows }) => !follows);
      if (news.length > 0) {
        const { points, ended } = await past();
        const { live, breakers, limits } = moment;
        const calls = ended.flatMap((one) => one.calls);
        this.#tell(news, 'snapshot', { status, history: columnsOf(points), live, ended: calls, breakers, limits, happenings });
      }
      const following = ready.filter((looker) => looker.follows && !news.includes(looker));
      const delta = this.#delta(status, moment, happenings);
      this.#tell(following, 'delta', delta);
      for (const looker of news) looker.follows = true;
    } finally {
      this.#beating = false;
      if (this.#lookers.size > 0) this.#arm(this.#beatAt + BEAT_MS - clock.now());
    }
  }

  #hasRead(looker: Looker): boolean {
    const now = this.#sources.clock.now();
    if (looker.response.writableLength === 0) {
      looker.readAt = now;
      return true;
    }
    looker.follows = false;
    if (now - looker.readAt >= STALLED_MS) looker.response.destroy();
    return false;
  }

  /** What is other than at the beat before. */
  #delta(status: AdminStatus, moment: Moment, happenings: readonly Happening[]): object {
    const before = this.#status;
    const changed = (Object.keys(status) as (keyof AdminStatus)[]).filter(
      (key) => !isDeepStrictEqual(still(status[key]), still(before?.[key])),
    );
    const ended = moment.ended.flatMap(({ pid, calls }) => {
      const told = this.#told.get(pid) ?? 0;
      this.#told.set(pid, calls.at(-1)?.number ?? told);
      return calls.filter(({ number }) => number > told);
    });
    // A clock that was set back begins anew.
    const last = moment.points.at(-1)?.t ?? -Infinity;
    if (last < this.#toldUpTo - LATE_SECONDS) {
      this.#toldUpTo = -Infinity;
      for (const looker of this.#lookers) looker.follows = false;
    }
    const points = moment.points.filter(({ t }) => t > this.#toldUpTo);
    this.#toldUpTo = points.at(-1)?.t ?? this.#toldUpTo;
    const delta = {
      points,
      live: moment.live,
      ended,
      ...(changed.length > 0 ? { status: Object.fromEntries(changed.map((key) => [key, status[key]])) } : {}),
      ...(isDeepStrictEqual(moment.breakers, this.#moment?.breakers) ? {} : { breakers: moment.breakers }),
      ...(isDeepStrictEqual(moment.limits, this.#moment?.limits) ? {} : { limits: moment.limits }),
      ...(happenings === this.#happenings ? {} : { happenings }),
    };
    this.#status = status;
    this.#moment = moment;
    this.#happenings = happenings;
    return delta;
  }

  #tell(lookers: readonly Looker[], event: 'snapshot' | 'delta', data: object): void {
    if (lookers.length === 0) return;
    const frame = `id: ${++this.#id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    for (const { response } of lookers) if (!response.writableEnded) response.write(frame);
  }
}

/** Without what goes on by itself: how long a worker has been up. */
function still(value: unknown): unknown {
  return Array.isArray(value) ? value.map((item: unknown) => (typeof item === 'object' ? { ...item, uptime_seconds: null } : item)) : value;
}
