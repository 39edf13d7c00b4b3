import { StoreFailed } from '../../store-failed.ts';
import type { ByteLink } from './byte-link.ts';
import { dropChunks } from './leftovers.ts';

/** How often a draft says that somebody writes it; far more often than it would be taken for dead. */
const SAID_EVERY_MS = 60_000;

/** Bytes that are being written, until they are the bytes of their id. They belong to whoever has begun them, as long as he goes on. */
export class DraftRow {
  readonly seq: number;
  readonly #link: ByteLink;
  #saidAt: number;

  private constructor(link: ByteLink, seq: number) {
    this.#link = link;
    this.seq = seq;
    this.#saidAt = link.clock.now();
  }

  /** @throws StoreFailed */
  static async begin(link: ByteLink, id: string): Promise<DraftRow> {
    const [row] = await link.ask((sql) => sql<{ seq: number }[]>`INSERT INTO file_bytes (id) VALUES (${id}) RETURNING seq`);
    return new DraftRow(link, row!.seq);
  }

  /** Somebody writes it. @throws StoreFailed, also where it was taken for dead */
  async goesOn(): Promise<void> {
    const now = this.#link.clock.now();
    if (now - this.#saidAt < SAID_EVERY_MS) return;
    this.#saidAt = now;
    const { count } = await this.#link.ask(
      (sql) => sql`UPDATE file_bytes SET used_at = clock_timestamp() WHERE seq = ${this.seq} AND state = 0`,
    );
    if (count === 0) throw isDead();
  }

  /** By one statement: before it there is nothing of that id, behind it there is all. @throws StoreFailed */
  async keep(bytes: number): Promise<void> {
    const { count } = await this.#link.ask(
      (sql) => sql`UPDATE file_bytes SET state = 1, bytes = ${bytes}, used_at = clock_timestamp() WHERE seq = ${this.seq} AND state = 0`,
    );
    if (count === 0) throw isDead();
  }

  /** Whether it was kept or not. Never rejects: what is still there is a leftover, or has no name. */
  async drop(): Promise<void> {
    try {
      await this.#link.ask((sql) => sql`UPDATE file_bytes SET state = 2, used_at = '-infinity' WHERE seq = ${this.seq}`);
      await dropChunks(this.#link, this.seq);
    } catch {
      // Whoever sweeps finds it.
    }
  }
}

export function isDead(): StoreFailed {
  return new StoreFailed('error', 'nothing came for so long that what had come was removed');
}
