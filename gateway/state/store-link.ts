import { backOffMs } from '../core/back-off.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Events, StoreTrouble } from '../core/events.ts';
import type { Random } from '../core/random.ts';
import { type Awaited, ReplyLimits } from './reply-limits.ts';
import type { Script } from './script.ts';
import { adviceOn, troubleOf } from './trouble.ts';
import { type Connect, type Connection, serverOf } from './valkey-connection.ts';

/** Failures in a row after which nobody is asked to wait for the store any more. */
const FAILURES = 5;
/** Connecting is nothing that a call waits for. */
const CONNECT_MS = 1_000;
/** A server that is gone costs little to look for, and comes back at once; one that is slow would be burdened by looks. */
const LOOK_FOR = { firstMs: 250, longestMs: 5_000 };
const LET_REST = { firstMs: 5_000, longestMs: 60_000 };
/** So many share of a wait, give or take. */
const SPREAD = 0.1;
/** One that was back for less is still the same outage. */
const LASTING_MS = 10_000;
const MOST_DETAIL_CHARS = 160;

export interface LinkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Pick<Events, 'storeChanged' | 'storeFailed'>;
  readonly url: string;
  readonly timeoutMs: () => number;
  readonly connect: Connect;
  /** What all connections begin with, so that no call brings a script to the server. */
  readonly scripts: readonly Script<unknown>[];
  /** Says that this gateway is there. @returns how many there are, itself included; null: that failed */
  readonly announce: (link: StoreLink) => Promise<number | null>;
}

/**
 * The way to the store, and a breaker on it: slow is worse than gone. While it is open nobody asks; one attempt at a time, on a connection of
 * its own, finds out whether it may be closed.
 */
export class StoreLink {
  readonly #options: LinkOptions;
  readonly #limits: ReplyLimits;
  #connection: Connection | null = null;
  #isUp = false;
  #upSince = -Infinity;
  #isClosed = false;
  #failures = 0;
  /** Attempts in vain since it was there for long. */
  #attempts = 0;
  #timer: Timer | null = null;
  #nextAt = 0;
  #told: StoreTrouble | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#limits = new ReplyLimits(options.clock);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Milliseconds until it is looked for again; 0 while it is there. */
  get nextTryMs(): number {
    return this.#isUp ? 0 : Math.max(0, this.#nextAt - this.#options.clock.now());
  }

  /** Resolves after the first attempt, whatever came of it. Further ones follow by themselves. */
  async open(): Promise<void> {
    const { url, connect, clock } = this.#options;
    this.#timer = null;
    let connection: Connection | null = null;
    try {
      connection = await connect(url, CONNECT_MS, (error) => this.#onLost(connection, error));
    } catch (error) {
      return this.#failed(troubleOf(error as Error), error as Error);
    }
    if (this.#isClosed) return connection.close();
    this.#connection = connection;
    this.#failures = 0;
    for (const script of this.#options.scripts) {
      if ((await this.#inTime(connection, connection.load(script), (sha) => String(sha))) === null) return;
    }
    const gateways = await this.#options.announce(this);
    if (gateways === null || this.#connection !== connection) return;
    this.#isUp = true;
    this.#upSince = clock.now();
    this.#told = null;
    this.#options.events.storeChanged({ isUp: true, server: serverOf(url), gateways });
  }

  /** Runs it there; null: it failed, or took too long, or nobody is to ask. */
  run<T>(script: Script<T>, keys: readonly string[], args: readonly (string | number)[]): Promise<T | null> {
    const connection = this.#connection;
    if (connection === null) return Promise.resolve(null);
    return this.#inTime(connection, connection.run(script, keys, args), script.read, async (error) => {
      if (!error.message.startsWith('NOSCRIPT')) throw error;
      // It has forgotten what it knew.
      await connection.load(script);
      return connection.run(script, keys, args);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#isUp = false;
    this.#timer?.cancel();
    this.#drop();
  }

  /** What comes in time; null: nothing did, or nothing of use, and that has been counted. */
  #inTime<T>(
    connection: Connection,
    asked: Promise<unknown>,
    read: (reply: unknown) => T | undefined,
    mend?: (error: Error) => Promise<unknown>,
  ): Promise<T | null> {
    return new Promise((resolve) => {
      const fail = (trouble: StoreTrouble, error: Error | null): void => {
        if (awaited.isOver) return;
        this.#limits.end(awaited);
        resolve(null);
        if (this.#connection === connection) this.#failed(trouble, error);
      };
      const awaited: Awaited = { isOver: false, onLate: () => fail('timeout', null) };
      const done = (reply: unknown): void => {
        if (awaited.isOver) return;
        const found = read(reply);
        if (found === undefined) return fail('garbage', null);
        this.#limits.end(awaited);
        this.#failures = 0;
        resolve(found);
      };
      const failed = (thrown: unknown): void => {
        const error = connection.reasonOf(thrown as Error);
        fail(troubleOf(error), error);
      };
      asked.then(done, mend === undefined ? failed : (thrown: Error) => void mend(thrown).then(done, failed));
      this.#limits.add(awaited, this.#options.timeoutMs());
    });
  }

  #onLost(connection: Connection | null, error: Error): void {
    if (connection === null || this.#connection !== connection) return;
    this.#options.events.storeFailed(troubleOf(error));
    this.#goDown(troubleOf(error), error);
  }

  /** Before it is up one failure is the end of the attempt; later it takes several in a row. */
  #failed(trouble: StoreTrouble, error: Error | null): void {
    if (this.#isClosed) return;
    this.#options.events.storeFailed(trouble);
    this.#failures += 1;
    if (this.#isUp && this.#failures < FAILURES) return;
    this.#goDown(trouble, error);
  }

  #goDown(trouble: StoreTrouble, error: Error | null): void {
    const { clock, random, events, url, timeoutMs } = this.#options;
    if (this.#isUp && clock.now() - this.#upSince >= LASTING_MS) this.#attempts = 0;
    this.#isUp = false;
    const growth = trouble === 'unreachable' || trouble === 'starting' ? LOOK_FOR : LET_REST;
    const waitMs = backOffMs(growth, this.#attempts, { random, share: SPREAD });
    this.#attempts += 1;
    this.#nextAt = clock.now() + waitMs;
    this.#timer?.cancel();
    this.#timer = clock.after(waitMs, () => void this.open());
    this.#drop();
    if (this.#told === trouble) return;
    this.#told = trouble;
    const detail = shown(error);
    events.storeChanged({ isUp: false, server: serverOf(url), trouble, message: adviceOn(trouble, timeoutMs(), detail) });
  }

  /** Whoever waits for it goes on without. */
  #drop(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#limits.endAll();
    connection?.close();
  }
}

/** The server's own word, as far as it may stand in a log: a line of visible characters. */
function shown(error: (Error & { readonly code?: unknown }) | null): string {
  if (error === null) return '';
  const said = typeof error.code === 'string' && error.code !== '' ? error.code : error.message;
  return said.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MOST_DETAIL_CHARS);
}
