import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Clock, repeat, type Timer } from '../core/clock.ts';
import type { KeysAsked, KeysTold } from './read-in-thread.ts';

const LOOK_MS = 1_000;
const NO_FILE = 'not a file';

interface WatchedKeysOptions {
  readonly clock: Clock;
  /** What is to be read; null: no file is set. Asked at each look, so that a reload takes effect. */
  readonly asked: () => KeysAsked | null;
  readonly read: (asked: KeysAsked) => Promise<KeysTold>;
  /**
   * What the file says now. `isFirst`: it has not been looked at before, under this name; whoever named it has read it, but it may have changed
   * since.
   */
  readonly onRead: (told: KeysTold, asked: KeysAsked, isFirst: boolean) => void;
}

/**
 * Looks at a keys file once a second, by its state on the disk: that sees what every editor does, and what Kubernetes does with a mounted
 * secret.
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
    const isFirst = before?.file !== path;
    if (this.#isClosed || (!isFirst && before.state === state)) return;
    const told = state === NO_FILE ? notAFile(asked.file) : await this.#options.read(asked);
    // Somebody may have written on while it was read: then there is another look.
    if (!this.#isClosed) this.#options.onRead(told, asked, isFirst);
  }
}

function notAFile(file: string): KeysTold {
  return { kind: 'wrong', problems: [`${file}: is not a file, but a folder, a pipe or a device`] };
}

/** What changes whenever the file does; what the disk says where it cannot be looked at. */
async function stateOf(path: string): Promise<string> {
  try {
    const found = await stat(path);
    // Whoever opened a pipe would wait for somebody to write.
    if (!found.isFile()) return NO_FILE;
    const { dev, ino, size, mtimeMs, ctimeMs } = found;
    return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
