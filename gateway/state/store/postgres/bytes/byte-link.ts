import type { Clock } from '../../../../core/clock.ts';
import { Turns } from '../../turns.ts';
import type { PostgresLink } from '../link.ts';
import type { Statements } from '../statements.ts';

/** Of every file the same, but for its last; and the most that a part of a journal has. */
export const CHUNK_BYTES = 262_144;
/** What one statement carries at the most: what is asked of the server is answered within some seconds, over a slow line too. */
export const CHUNKS_AT_ONCE = 4;
/** Statements with bytes that may be under way in this process: questions about files and batches must find a connection. */
const AT_ONCE = 2;

/**
 * As what bytes travel, both ways: the client library would write two digits for each, and take half as long again. The server's words for it
 * are decode(…, 'base64') and encode(…, 'base64').
 */
export const TRAVEL = 'base64';

/** The way to the server for bytes. */
export class ByteLink {
  readonly clock: Clock;
  readonly #link: PostgresLink;
  readonly #turns = new Turns(AT_ONCE);

  constructor(link: PostgresLink, clock: Clock) {
    this.#link = link;
    this.clock = clock;
  }

  /** What is answered at once. @throws StoreFailed */
  ask<T>(act: (sql: Statements) => Promise<T>): Promise<T> {
    return this.#link.ask(act);
  }

  /** What carries bytes, or moves them. @throws StoreFailed */
  carry<T>(act: (sql: Statements) => Promise<T>): Promise<T> {
    return this.#turns.run(() => this.#link.ask(act));
  }
}
