import type { DraftBytes, FileBytes } from '../state/store/file-bytes.ts';

/** What of a file's beginning is kept in memory: enough for the first line of nearly all. */
const HEAD_BYTES = 65_536;

/** A file that is being written. Sooner or later it is kept or discarded; whichever comes first counts. */
export class Draft {
  readonly id: string;
  readonly #draft: DraftBytes;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #bytes = 0;
  #isOver = false;
  /** What is asked of the disk right now. */
  #pending: Promise<void> = Promise.resolve();
  #isBusy = false;

  private constructor(id: string, draft: DraftBytes) {
    this.id = id;
    this.#draft = draft;
  }

  /** @throws what the disk says */
  static async begin(bytes: Pick<FileBytes, 'draft'>, id: string): Promise<Draft> {
    return new Draft(id, await bytes.draft(id));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Its first bytes. */
  get head(): Buffer {
    return Buffer.concat(this.#head, this.#headBytes);
  }

  /** The disk has yet to take what was written. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** One at a time. @throws what the disk says */
  write(bytes: Buffer): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#headBytes < HEAD_BYTES) {
      const part = Buffer.from(bytes.subarray(0, HEAD_BYTES - this.#headBytes));
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    return this.#ask(() => this.#draft.append(bytes));
  }

  /** Makes it the bytes of its id. @throws what the disk says; nothing is left then */
  async keep(): Promise<void> {
    if (this.#isOver) throw new Error('the draft was kept or discarded before');
    this.#isOver = true;
    await this.#ask(() => this.#draft.keep());
  }

  /** Leaves nothing of it. Never rejects: what the disk does not let go of is removed by whoever sweeps. */
  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#pending.catch(() => {});
    await this.#draft.discard();
  }

  async #ask(operation: () => Promise<void>): Promise<void> {
    this.#isBusy = true;
    this.#pending = operation();
    try {
      await this.#pending;
    } finally {
      this.#isBusy = false;
    }
  }
}
