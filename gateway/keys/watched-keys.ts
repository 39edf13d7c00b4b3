import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Clock, repeat, type Timer } from '../core/clock.ts';
import type { KeysAsked, KeysTold } from './read-in-thread.ts';

const LOOK_MS = 1_000;

interface WatchedKeysOptions {
  readonly clock: Clock;
  /** What is to be read; null: no file is set. Asked at each look, so that a reload takes effect. */
  readonly asked: () => KeysAsked | null;
  readonly read: (asked: KeysAsked) => Promise<KeysTold>;
  /** The file has changed, and this is what it says now. */
  readonly onRead: (told: KeysTold, asked: KeysAsked) => void;
}

/**
 * Looks at a keys file once a second, by its state on the disk: that sees what every editor does, and what Kubernetes does with a mounted
 * secret. What was there at the beginning has been read already.
 */
export class WatchedKeys {
  readonly #options: WatchedKeysOptions;
  readonly #timer: Timer;
  #seen: { readonly file: string; readonly state: string } | null = null;
  #isClosed = false;

  constructor(options: WatchedKeysOptions) {
    this.#options = options;
    void this.#look();
    this.#timer = repeat(options.clock, LOOK_MS, () => this.#look());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const asked = this.#options.asked();
    if (asked === null) {
      this.#seen = null;
      return;
    }
    const path = resolve(asked.cwd, asked.file);
    const state = await stateOf(path);
    const before = this.#seen;
    this.#seen = { file: path, state };
    // One that is named for the first time has been read with the settings that name it.
    if (this.#isClosed || before === null || before.file !== path || before.state === state) return;
    const told = await this.#options.read(asked);
    // Somebody may have written on while it was read: then there is another look.
    if (!this.#isClosed) this.#options.onRead(told, asked);
  }
}

/** What changes whenever the file does; what the disk says where it cannot be looked at. */
async function stateOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
