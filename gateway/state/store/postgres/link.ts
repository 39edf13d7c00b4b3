import type { Sql } from 'postgres';
import type { Clock } from '../../../core/clock.ts';
import { StoreFailed } from '../store-failed.ts';
import { migrate } from './migrations.ts';
import { type Statements, WORK_CHANNEL } from './statements.ts';
import { isUnconnected, transact } from './transact.ts';
import { TYPES } from './types.ts';
import { failureOf, isWorthAnotherTry } from './trouble.ts';

/** A question is answered within this time, or fails. */
const ANSWER_MS = 5_000;
/** The server gives up before: what fails here has not happened there later. */
const STATEMENT_MS = 4_000;
const CONNECT_S = 4;
/** Until a connection is tried again, at the most. */
const LONGEST_WAIT_S = 1;
const CONNECTIONS = 4;
const TRIES = 3;

/**
 * The way to the server. Connections are made when something is asked, and again when they were lost; all of them are given up when one is,
 * or an answer takes too long, because one whose other end has vanished says nothing for a quarter of an hour.
 */
export class PostgresLink {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #pool: Promise<Sql> | null = null;
  #isClosed = false;

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  /** Statements that need not be one. @throws StoreFailed, within five seconds */
  async ask<T>(act: (sql: Statements) => Promise<T>): Promise<T> {
    return this.#inTime((sql) => act(sql));
  }

  /** All of it or nothing; it may be done several times, until it has been. @throws StoreFailed, within five seconds */
  async together<T>(act: (sql: Statements) => Promise<T>): Promise<T> {
    return this.#inTime(async (sql) => {
      for (let tries = 1; ; tries++) {
        try {
          return await transact(sql, act);
        } catch (error) {
          if (tries === TRIES || !isWorthAnotherTry(error)) throw error;
        }
      }
    });
  }

  /** `listener` hears of what anybody announces. @returns to hear no more */
  onWork(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const pool = this.#pool;
    this.#pool = null;
    await pool?.then((sql) => sql.end({ timeout: 1 })).catch(() => {});
  }

  async #inTime<T>(act: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new StoreFailed('unreachable', 'it is closed', 'server');
    const limit = Promise.withResolvers<never>();
    const pool = (this.#pool ??= this.#open());
    const timer = this.#clock.after(ANSWER_MS, () => {
      this.#giveUp(pool);
      limit.reject(new StoreFailed('timeout', `it does not answer within ${ANSWER_MS / 1_000} s`, 'server'));
    });
    const asked = pool.then(act);
    // Whoever waits has been told.
    asked.catch(() => {});
    try {
      return await Promise.race([asked, limit.promise]);
    } catch (error) {
      if (error instanceof StoreFailed) throw error;
      // The library may keep back for ever what it writes to a connection that it makes in the place of one that was lost.
      if (isUnconnected(error)) this.#giveUp(pool);
      const { trouble, message } = failureOf(error);
      throw new StoreFailed(trouble, message, 'server');
    } finally {
      timer.cancel();
    }
  }

  async #open(): Promise<Sql> {
    const { default: postgres } = await import('postgres');
    const sql = postgres(this.#url, {
      max: CONNECTIONS,
      connect_timeout: CONNECT_S,
      backoff: (attempt: number) => Math.min(LONGEST_WAIT_S, 0.05 * 2 ** attempt),
      onnotice: () => {},
      types: TYPES,
      fetch_types: false,
      connection: {
        application_name: 'headgate',
        search_path: 'headgate',
        statement_timeout: STATEMENT_MS,
        lock_timeout: STATEMENT_MS,
        idle_in_transaction_session_timeout: 2 * STATEMENT_MS,
      },
    }) as unknown as Sql;
    try {
      await migrate(sql);
    } catch (error) {
      this.#pool = null;
      void sql.end({ timeout: 0 });
      throw error;
    }
    if (this.#isClosed) void sql.end({ timeout: 0 });
    // By a connection of its own, which is made again by itself.
    else sql.listen(WORK_CHANNEL, () => this.#announced()).catch(() => {});
    return sql;
  }

  #announced(): void {
    for (const listener of this.#listeners) listener();
  }

  #giveUp(pool: Promise<Sql>): void {
    if (this.#pool === pool) this.#pool = null;
    void pool.then((sql) => sql.end({ timeout: 0 })).catch(() => {});
  }
}
