import type { Clock, Timer } from '../core/clock.ts';
import type { WorkerTransport } from '../core/transport.ts';
import type { Pace, Worker, WorkerLife, WorkerLoad, WorkerView } from '../core/worker.ts';

/** Where a worker is: all that a transport needs to know. */
export interface TransportTarget {
  readonly id: string;
  /** http(s)://host:port, no trailing slash. */
  readonly url: string;
  /** As in the worker's view. */
  readonly apiPath?: string;
  /** Sent to the worker as a bearer token; never shown. */
  readonly apiKey: string | null;
}

interface DirectoryWorkerOptions {
  readonly clock: Clock;
  readonly createTransport: (target: TransportTarget) => WorkerTransport;
  /** How long a transport that is no longer wanted may stay for the calls in flight. */
  readonly retireLimitMs: () => number;
}

/** How often it is checked whether the calls of a transport that is no longer wanted have ended. */
const CHECK_AGAIN_MS = 100;

/** The one object that stands for a worker as long as the directory knows it. */
export class DirectoryWorker implements Worker {
  readonly id: string;
  view: WorkerView;
  readonly load: WorkerLoad = emptyLoad();
  inFlight = 0;
  unanswered = 0;
  life: WorkerLife | null;
  pace: Pace | null = null;

  readonly #options: DirectoryWorkerOptions;
  #apiKey: string | null;
  #transport: WorkerTransport | null = null;
  /** The life that goes on or ended last, and the failure that was known when it began: any other is its end. */
  #latest: { readonly life: WorkerLife; readonly failureAt: string | undefined } | null = null;
  /** Transports that close once no call is in flight. */
  readonly #retiring = new Map<WorkerTransport, Timer>();
  #left = false;

  constructor(view: WorkerView, apiKey: string | null, options: DirectoryWorkerOptions) {
    this.id = view.id;
    this.view = view;
    this.#apiKey = apiKey;
    this.#options = options;
    this.life = view.state === 'ready' ? this.#newLife(view) : null;
  }

  /** Made when first asked for: an idle worker may not have a port yet. */
  get transport(): WorkerTransport {
    if (!this.#transport) {
      const { view } = this;
      const place = view.apiPath === undefined ? {} : { apiPath: view.apiPath };
      this.#transport = this.#options.createTransport({ id: view.id, url: view.url, apiKey: this.#apiKey, ...place });
      // A call that had picked the worker just before it left still gets its answer.
      if (this.#left) this.#retire(this.#transport);
    }
    return this.#transport;
  }

  /** Takes over what is known now. Calls in flight keep the transport that they began on. */
  update(view: WorkerView, apiKey: string | null): void {
    const before = this.view;
    const isAnother = view.uid !== undefined && before.uid !== undefined && view.uid !== before.uid;
    const moved = view.url !== before.url || view.apiPath !== before.apiPath || apiKey !== this.#apiKey || isAnother;
    const restarted = isAnother || view.url !== before.url || view.pid !== before.pid || view.startedAtMs !== before.startedAtMs;
    if (moved && this.#transport) {
      this.#retire(this.#transport);
      this.#transport = null;
    } else if (this.#left && this.#transport) {
      this.#retiring.get(this.#transport)?.cancel();
      this.#retiring.delete(this.#transport);
    }
    this.#left = false;
    this.view = view;
    this.#apiKey = apiKey;
    if (restarted) Object.assign(this.load, emptyLoad());
    // Its supervisor has asked it for a token in vain, or is content with it again.
    else if (before.state === 'ready' && isStalled(before, view)) this.load.withheldAt = this.#options.clock.now();
    else if (before.state !== 'ready' && view.state === 'ready') this.load.withheldAt = null;
    this.#noteEnd(view);
    if (view.state !== 'ready') this.life = null;
    else if (restarted || this.life === null) this.life = this.#newLife(view);
  }

  /** The worker is no longer one of ours: its transport closes when its calls have ended, at the latest after the limit. */
  leave(): void {
    this.#left = true;
    this.life = null;
    if (this.#transport) this.#retire(this.#transport);
  }

  /** Whether it has a transport that is still open. */
  get open(): boolean {
    return this.#transport !== null || this.#retiring.size > 0;
  }

  /** Closes every transport at once, whatever still runs on it. */
  async close(): Promise<void> {
    const transports = new Set(this.#retiring.keys());
    if (this.#transport) transports.add(this.#transport);
    for (const timer of this.#retiring.values()) timer.cancel();
    this.#retiring.clear();
    this.#transport = null;
    await Promise.all([...transports].map((transport) => transport.close()));
  }

  #newLife({ lastFailure }: WorkerView): WorkerLife {
    const life: WorkerLife = { since: this.#options.clock.now() };
    this.#latest = { life, failureAt: lastFailure?.at };
    return life;
  }

  /** Its end may be seen here before its supervisor can say how it came about. */
  #noteEnd({ lastFailure }: WorkerView): void {
    if (lastFailure === null || this.#latest === null || lastFailure.at === this.#latest.failureAt) return;
    this.#latest.life.endedBy ??= lastFailure.class;
  }

  #retire(transport: WorkerTransport): void {
    const { clock, retireLimitMs } = this.#options;
    const deadline = clock.now() + retireLimitMs();
    const closeIfIdle = (): void => {
      if (this.inFlight > 0 && clock.now() < deadline) {
        this.#retiring.set(transport, clock.after(CHECK_AGAIN_MS, closeIfIdle));
        return;
      }
      this.#retiring.delete(transport);
      if (this.#transport === transport) this.#transport = null;
      // Nobody is left to whom a failure to close would matter.
      transport.close().catch(() => undefined);
    };
    this.#retiring.set(transport, clock.after(CHECK_AGAIN_MS, closeIfIdle));
  }
}

/** It was taken out of service for a failure that it has just had, and not by anybody's wish. */
function isStalled(before: WorkerView, view: WorkerView): boolean {
  return view.state === 'draining' && view.lastFailure?.class === 'stalled' && view.lastFailure.at !== before.lastFailure?.at;
}

function emptyLoad(): WorkerLoad {
  return {
    running: 0,
    waiting: 0,
    kvUsage: 0,
    kvCacheBytes: null,
    work: null,
    workedAt: null,
    movedAt: null,
    withheldAt: null,
    scrapedAt: null,
    bornAt: null,
    inFlightAtScrape: 0,
  };
}
