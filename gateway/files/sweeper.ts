import { repeat, sleep, type Clock, type Timer } from '../core/clock.ts';
import type { FileBytes } from '../state/store/file-bytes.ts';
import type { FileRecords } from '../state/store/ports.ts';

const SWEEP_MS = 60_000;
/** Files that go at once; of more, the next follow soon. */
const AT_ONCE = 100;
const SOON_MS = 1_000;
/** In how many rounds it is looked for what nobody has a name for. */
const TIDY_EVERY = 60;
/** At the end, what is under way may take so long. */
const LAST_MS = 2_000;

interface SweeperContext {
  readonly clock: Clock;
  readonly records: FileRecords;
  readonly bytes: FileBytes;
  readonly onTrouble: (doing: string, what: string) => void;
}

/**
 * Removes the bytes of files that are deleted or expired, what was begun and is nobody's any more, and, at the start and each hour, files
 * without a name. A few at a time. Several processes may do so in one place.
 */
export class Sweeper {
  readonly #context: SweeperContext;
  #timer: Timer | null = null;
  #soon: Timer | null = null;
  #running: Promise<void> | null = null;
  #rounds = 0;
  #isClosed = false;

  constructor(context: SweeperContext) {
    this.#context = context;
  }

  start(): void {
    this.#timer ??= repeat(this.#context.clock, SWEEP_MS, () => this.sweep());
    void this.sweep();
  }

  /** Something was deleted just now. */
  poke(): void {
    if (this.#isClosed || this.#soon !== null) return;
    this.#soon = this.#context.clock.after(SOON_MS, () => {
      this.#soon = null;
      void this.sweep();
    });
  }

  /** One round. Never rejects. */
  sweep(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return (this.#running ??= this.#round().finally(() => (this.#running = null)));
  }

  /** Resolves when nothing is under way, or after a while. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#soon?.cancel();
    if (this.#running !== null) await Promise.race([this.#running, sleep(this.#context.clock, LAST_MS)]);
  }

  async #round(): Promise<void> {
    const { onTrouble } = this.#context;
    try {
      if (this.#rounds++ % TIDY_EVERY === 0) await this.#tidy();
      await this.#removeLeftovers();
      if ((await this.#removeUseless()) === AT_ONCE) this.poke();
    } catch (error) {
      if (!this.#isClosed) onTrouble('removing files that nobody needs', (error as Error).message);
    }
  }

  async #removeUseless(): Promise<number> {
    const { clock, records, bytes } = this.#context;
    const useless = await records.uselessFiles(clock.wall(), AT_ONCE);
    const gone: string[] = [];
    for (const id of useless) if (await this.#remove(() => bytes.remove(id))) gone.push(id);
    if (gone.length > 0) await records.forgetFiles(gone);
    return gone.length;
  }

  async #removeLeftovers(): Promise<void> {
    const { clock, bytes } = this.#context;
    for (const name of await bytes.leftovers(clock.wall(), AT_ONCE)) await this.#remove(() => bytes.removeLeftover(name));
  }

  async #tidy(): Promise<void> {
    const { clock, records, bytes } = this.#context;
    const nameless = await bytes.nameless(clock.wall(), AT_ONCE, () => records.fileIds());
    for (const id of nameless) await this.#remove(() => bytes.remove(id));
  }

  /** One that stays is no reason to leave the others. */
  async #remove(remove: () => Promise<void>): Promise<boolean> {
    try {
      await remove();
      return true;
    } catch (error) {
      this.#context.onTrouble('removing a file that nobody needs', (error as Error).message);
      return false;
    }
  }
}
