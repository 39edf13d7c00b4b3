import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { WorkerDirectory } from '../../core/worker.ts';
import { dropIfStalled } from '../stalled-client.ts';
import type { AdminStatus } from './admin-answers.ts';

/** Connections that may watch at once. */
export const MOST_WATCHERS = 16;
/** Between two events of one watcher. */
const GAP_MS = 250;
/** A watcher hears no less often than this: what is between us must see that the connection lives. */
const KEEP_ALIVE_MS = 15_000;
/** How long a watcher may leave its last event unread. */
const STALLED_MS = 60_000;

export interface LiveStatusContext {
  readonly clock: Clock;
  readonly directory: Pick<WorkerDirectory, 'onChange'>;
  readonly read: () => AdminStatus | Promise<AdminStatus>;
}

/**
 * The status as server-sent events: at once, after every change of the directory, and now and then without one. Each event is the whole
 * status, so that a watcher who misses some has missed nothing. Without watchers nothing is listened to and no timer runs.
 */
export class LiveStatus {
  readonly #context: LiveStatusContext;
  readonly #watchers = new Set<Watcher>();
  #offChange: (() => void) | null = null;
  #closed = false;

  constructor(context: LiveStatusContext) {
    this.#context = context;
  }

  /** The status now. */
  read(): AdminStatus | Promise<AdminStatus> {
    return this.#context.read();
  }

  /** Answers with events until the client leaves or this is closed. @throws queue_full · draining */
  watch(response: ServerResponse): void {
    if (this.#closed) throw new GatewayError('draining', 'The gateway is shutting down.');
    if (this.#watchers.size >= MOST_WATCHERS) {
      throw new GatewayError('queue_full', `The status is watched over ${MOST_WATCHERS} connections already.`);
    }
    if (response.destroyed) return;
    const { clock, directory } = this.#context;
    const watcher = new Watcher(clock, response, () => this.read());
    this.#watchers.add(watcher);
    this.#offChange ??= directory.onChange(() => {
      for (const each of this.#watchers) each.onChange();
    });
    response.once('close', () => this.#forget(watcher));
    watcher.start();
  }

  /** Ends what is watched. Whoever comes later is refused. */
  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) {
      this.#forget(watcher);
      watcher.end();
    }
  }

  #forget(watcher: Watcher): void {
    watcher.stop();
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#offChange?.();
    this.#offChange = null;
  }
}

/** One connection that watches. */
class Watcher {
  readonly #clock: Clock;
  readonly #response: ServerResponse;
  readonly #read: () => AdminStatus | Promise<AdminStatus>;
  #timer: Timer | null = null;
  #toldAt = -Infinity;
  /** A change waits to be told. */
  #changed = false;

  constructor(clock: Clock, response: ServerResponse, read: () => AdminStatus | Promise<AdminStatus>) {
    this.#clock = clock;
    this.#response = response;
    this.#read = read;
  }

  start(): void {
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    this.#tell();
  }

  onChange(): void {
    if (this.#changed) return;
    this.#changed = true;
    this.#arm(this.#toldAt + GAP_MS - this.#clock.now());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  end(): void {
    this.#response.end();
    dropIfStalled(this.#response);
  }

  #arm(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(Math.max(0, ms), () => this.#onDue());
  }

  #onDue(): void {
    if (this.#response.writableLength === 0) return this.#tell();
    // What it has not read yet is all that is kept for it.
    if (this.#clock.now() - this.#toldAt >= STALLED_MS) this.#response.destroy();
    else this.#arm(GAP_MS);
  }

  #tell(): void {
    this.#changed = false;
    this.#toldAt = this.#clock.now();
    this.#arm(KEEP_ALIVE_MS);
    const status = this.#read();
    if (status instanceof Promise) void status.then((read) => this.#write(read));
    else this.#write(status);
  }

  #write(status: AdminStatus): void {
    if (!this.#response.writableEnded) this.#response.write(`data: ${JSON.stringify(status)}\n\n`);
  }
}
