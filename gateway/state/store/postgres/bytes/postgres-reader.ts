import type { OpenBytes } from '../../file-bytes.ts';
import { StoreFailed } from '../../store-failed.ts';
import { type ByteLink, CHUNK_BYTES, CHUNKS_AT_ONCE, TRAVEL } from './byte-link.ts';

/** How often it is said that somebody reads; far more often than he would be taken to have left. */
const SAID_EVERY_MS = 30_000;
/** Chunks that are read at once for somebody who asks for one piece after the other. */
const CHUNKS_AHEAD = 2;

interface Chunk {
  readonly number: number;
  readonly data: Buffer;
}

/** Reads the chunks that are needed, and keeps one whose rest is likely to be asked for next. */
export class PostgresReader implements OpenBytes {
  readonly size: number;
  readonly #link: ByteLink;
  readonly #seq: number;
  #saidAt: number;
  #held: readonly Chunk[] = [];
  #endedAt = -1;

  constructor(link: ByteLink, seq: number, size: number) {
    this.#link = link;
    this.#seq = seq;
    this.size = size;
    this.#saidAt = link.clock.now();
  }

  async read(into: Buffer, position: number): Promise<number> {
    const end = Math.min(position + into.length, this.size);
    const isNext = position === this.#endedAt;
    let chunks = this.#held;
    let at = position;
    while (at < end) {
      const number = Math.floor(at / CHUNK_BYTES);
      let chunk = chunks.find((each) => each.number === number);
      if (chunk === undefined) {
        chunks = await this.#fetch(number, Math.max(Math.floor((end - 1) / CHUNK_BYTES), isNext ? number + CHUNKS_AHEAD - 1 : 0));
        chunk = chunks[0]!;
      }
      at += chunk.data.copy(into, at - position, at - number * CHUNK_BYTES, end - number * CHUNK_BYTES);
    }
    this.#held = chunks.filter((chunk) => chunk.number * CHUNK_BYTES + chunk.data.length > end);
    this.#endedAt = end;
    return Math.max(0, at - position);
  }

  close(): Promise<void> {
    this.#held = [];
    return Promise.resolve();
  }

  /** As many as one statement carries. @throws StoreFailed, also where they are gone */
  async #fetch(first: number, wanted: number): Promise<readonly Chunk[]> {
    await this.#isRead();
    const last = Math.min(wanted, first + CHUNKS_AT_ONCE - 1, Math.floor((this.size - 1) / CHUNK_BYTES));
    const rows = await this.#link.carry(
      (sql) => sql<{ number: number; text: string }[]>`
        SELECT number, encode(data, 'base64') AS text FROM file_chunks WHERE file = ${this.#seq} AND number BETWEEN ${first} AND ${last} ORDER BY number`,
    );
    const chunks = rows.map(({ number, text }): Chunk => ({ number, data: Buffer.from(text, TRAVEL) }));
    const isWhole = chunks.every(({ data, number }) => data.length === Math.min(CHUNK_BYTES, this.size - number * CHUNK_BYTES));
    if (chunks.length !== last - first + 1 || !isWhole) throw new StoreFailed('error', 'its bytes have been removed');
    return chunks;
  }

  async #isRead(): Promise<void> {
    const now = this.#link.clock.now();
    if (now - this.#saidAt < SAID_EVERY_MS) return;
    this.#saidAt = now;
    await this.#link.ask((sql) => sql`UPDATE file_bytes SET used_at = clock_timestamp() WHERE seq = ${this.#seq}`);
  }
}
