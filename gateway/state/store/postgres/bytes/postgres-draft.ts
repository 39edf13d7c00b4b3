import type { DraftBytes } from '../../file-bytes.ts';
import { type ByteLink, CHUNK_BYTES, TRAVEL } from './byte-link.ts';
import { type DraftRow, isDead } from './draft-row.ts';

/** Chunks of one draft that are on their way while another is being filled. */
const MOST_UNDER_WAY = 2;

/** Writes bytes as they come, chunk by chunk, and holds three chunks of them in memory. */
export class PostgresDraft implements DraftBytes {
  readonly #link: ByteLink;
  readonly #row: DraftRow;
  readonly #underWay = new Set<Promise<void>>();
  #chunk: Buffer | null = null;
  #filled = 0;
  #number = 0;
  #failure: { readonly error: unknown } | null = null;

  constructor(link: ByteLink, row: DraftRow) {
    this.#link = link;
    this.#row = row;
  }

  async append(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      this.#chunk ??= Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const copied = bytes.copy(this.#chunk, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled === CHUNK_BYTES) await this.#send();
    }
    await this.#row.goesOn();
  }

  async keep(): Promise<void> {
    try {
      const bytes = this.#number * CHUNK_BYTES + this.#filled;
      if (this.#filled > 0) await this.#send();
      await Promise.all(this.#underWay);
      this.#check();
      await this.#row.keep(bytes);
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  async discard(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#row.drop();
  }

  /** Resolves when it is on its way. @throws what became of those before */
  async #send(): Promise<void> {
    const [data, number] = [this.#chunk!.subarray(0, this.#filled), this.#number++];
    [this.#chunk, this.#filled] = [null, 0];
    while (this.#underWay.size >= MOST_UNDER_WAY) await Promise.race(this.#underWay);
    this.#check();
    const write: Promise<void> = this.#write(number, data).then(
      () => void this.#underWay.delete(write),
      (error: unknown) => {
        this.#underWay.delete(write);
        this.#failure ??= { error };
      },
    );
    this.#underWay.add(write);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Whoever takes the draft for dead waits for this, and this finds nothing behind him. */
  async #write(number: number, data: Buffer): Promise<void> {
    const { count } = await this.#link.carry(
      (sql) => sql`
        INSERT INTO file_chunks
        SELECT seq, ${number}::integer, decode(${data.toString(TRAVEL)}, 'base64') FROM (SELECT seq FROM file_bytes WHERE seq = ${this.#row.seq} AND state = 0 FOR SHARE) AS draft`,
    );
    if (count === 0) throw isDead();
  }
}
