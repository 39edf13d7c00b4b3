import { isDeepStrictEqual } from 'node:util';
import type { LoadedSettings } from '../config/load.ts';
import type { Clock } from '../core/clock.ts';
import { Door, doorRules } from './door.ts';
import { type ListedKey, listedKeys } from './key-list.ts';
import { KeyRing } from './key-ring.ts';
import type { KeysAsked, KeysTold } from './read-in-thread.ts';
import { WatchedKeys } from './watched-keys.ts';

type Loaded = Pick<LoadedSettings, 'settings' | 'keys'>;

interface HeldKeysOptions {
  readonly clock: Clock;
  /** Folder in which a relative path of the keys file starts. */
  readonly cwd: string;
  readonly loaded: Loaded;
  readonly read: (asked: KeysAsked) => Promise<KeysTold>;
  /** The keys file says something else than before. */
  readonly onChange: (told: KeysTold, file: string) => void;
}

/** The keys that hold now: those of the settings, and what the keys file says since. */
export class HeldKeys {
  readonly door: Door;
  readonly #options: HeldKeysOptions;
  readonly #watched: WatchedKeys;
  #loaded: Loaded;

  constructor(options: HeldKeysOptions) {
    const { clock, loaded, read } = options;
    this.#options = options;
    this.#loaded = loaded;
    this.door = new Door(clock, ringOf(loaded), doorRules(loaded.settings));
    this.#watched = new WatchedKeys({
      clock,
      read,
      asked: () => this.#asked(),
      onRead: (told, asked, isFirst) => this.#onRead(told, asked, isFirst),
    });
  }

  get keys(): Loaded['keys'] {
    return this.#loaded.keys;
  }

  /** The settings have been read anew, and the file that they name with them. */
  adopt(loaded: Loaded): void {
    this.#loaded = loaded;
    this.door.rules = doorRules(loaded.settings);
    this.door.ring = ringOf(loaded);
  }

  /** Without what is secret of them. @param most how many at most */
  listed(most: number): { readonly keys: readonly ListedKey[]; readonly total: number } {
    return { keys: listedKeys(this.#loaded, most, this.#options.clock.wall()), total: this.#loaded.keys.length };
  }

  close(): void {
    this.#watched.close();
  }

  #asked(): KeysAsked | null {
    const { keys_file: file, keys } = this.#loaded.settings.auth;
    return file === null ? null : { file, cwd: this.#options.cwd, inSettings: keys };
  }

  #onRead(told: KeysTold, asked: KeysAsked, isFirst: boolean): void {
    const { settings, keys: before } = this.#loaded;
    const { keys_file: file, keys: inSettings } = settings.auth;
    // A reload has named another meanwhile, or other keys beside it.
    if (asked.file !== file || !isDeepStrictEqual(asked.inSettings, inSettings)) return;
    const keys = told.kind === 'keys' ? [...inSettings, ...told.keys] : null;
    if (isFirst && keys !== null && isDeepStrictEqual(keys, before)) return;
    this.#options.onChange(told, asked.file);
    if (keys !== null) this.adopt({ settings, keys });
  }
}

function ringOf({ settings, keys }: Loaded): KeyRing {
  return new KeyRing(keys, settings.limits.default);
}
