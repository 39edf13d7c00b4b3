import type { LoadedSettings } from '../config/load.ts';
import type { Part } from './assemble.ts';
import { keptLogsPart } from './kept-logs.ts';
import { machinePart } from './machine.ts';
import type { Pace } from './pace.ts';
import { settingsPart } from './settings-part.ts';
import { engineLogsPart, failuresPart, historyPart, type Past, readPast } from './state-folder.ts';
import type { Veil } from './veil/veil.ts';

// Parts of every bundle, whether or not a gateway runs.

export const KIB = 1024;

/** The machine and the settings. */
export function setUpParts(loaded: LoadedSettings, env: Readonly<Record<string, string | undefined>>, veil: Veil): Part[] {
  return [
    { name: 'machine', bytes: 8 * KIB, make: () => machinePart(env) },
    { name: 'settings', bytes: 384 * KIB, make: () => settingsPart(loaded, veil) },
    { name: 'settings_check', bytes: 32 * KIB, make: () => ({ warnings: loaded.warnings.map((warning) => veil.text(warning)) }) },
  ];
}

/** What is on record in a state folder. It is read once, for whichever part asks first. */
export class OnRecord {
  readonly #stateDir: string | null;
  readonly #veil: Veil;
  readonly #pace: Pace;
  #reading: Promise<Past> | null = null;
  #past: Past | null = null;

  /** @param stateDir null: nothing is taken down */
  constructor(stateDir: string | null, veil: Veil, pace: Pace) {
    this.#stateDir = stateDir;
    this.#veil = veil;
    this.#pace = pace;
  }

  /** null until a part has read it. */
  get past(): Past | null {
    return this.#past;
  }

  /** What has failed, and what has happened. */
  events(): Part[] {
    const [stateDir, veil, pace] = [this.#stateDir, this.#veil, this.#pace];
    return [
      {
        name: 'last_failures',
        bytes: 64 * KIB,
        make: async () => (stateDir === null ? [] : failuresPart(await this.#read(stateDir), veil)),
      },
      { name: 'history', bytes: 640 * KIB, make: async () => stateDir && historyPart(await this.#read(stateDir), veil, pace) },
    ];
  }

  engineLogs(): Part {
    return {
      name: 'engine_logs',
      bytes: 1_280 * KIB,
      make: () => this.#stateDir && engineLogsPart(this.#stateDir, this.#veil, this.#pace),
    };
  }

  keptLogs(): Part {
    return { name: 'kept_logs', bytes: 640 * KIB, make: () => this.#stateDir && keptLogsPart(this.#stateDir, this.#veil, this.#pace) };
  }

  #read(stateDir: string): Promise<Past> {
    this.#reading ??= readPast(stateDir, this.#pace).then((past) => (this.#past = past));
    return this.#reading;
  }
}
