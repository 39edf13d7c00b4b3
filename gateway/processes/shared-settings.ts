import type { LoadedSettings } from '../config/load.ts';
import { type Reading, type Reload, type ReloadAnswer, reloadAnswer } from '../config/reload.ts';
import { type TrialOrder, Trials } from '../config/trial.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log/log.ts';
import { tellReload, tellTrial, tellTrialStays } from '../telemetry/events/process-lines.ts';
import type { KeeperWord } from './words.ts';

interface SharedSettingsOptions extends Reading {
  readonly loaded: LoadedSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Tells every process. */
  readonly tell: (word: Extract<KeeperWord, { kind: 'settings' }>) => void;
  /** Resolves when each has taken over what it was told. */
  readonly taken: () => Promise<unknown>;
}

/** The settings of all processes: read in one place, and the same in each. */
export class SharedSettings {
  loaded: LoadedSettings;
  readonly #options: SharedSettingsOptions;
  readonly #trials: Trials;

  constructor(options: SharedSettingsOptions) {
    this.#options = options;
    this.loaded = options.loaded;
    this.#trials = new Trials(options, options.clock, (owner) => void this.try({ kind: 'end', owner }));
  }

  async reload(): Promise<ReloadAnswer> {
    const { tell, log } = this.#options;
    const read = this.#trials.reload(this.loaded);
    if (read.ok) await this.#adopt(read, false);
    else tell({ kind: 'settings', loaded: null, changed: [], isTrial: false });
    const { ok, changed, needsRestart, problems } = reloadAnswer(read);
    tellReload(log, { ok, changed, needsRestart, error: ok ? null : problems.join('; ') });
    return reloadAnswer(read);
  }

  async try(order: TrialOrder): Promise<ReloadAnswer> {
    const read = this.#trials.obey(this.loaded, order);
    if (read.ok) {
      await this.#adopt(read, true);
      tellTrial(this.#options.log, order.owner, order.kind === 'try' ? order.seconds : null, read.changed);
    } else if (order.kind === 'end' && this.#trials.owner === order.owner) tellTrialStays(this.#options.log, order.owner, read.problems);
    return reloadAnswer(read);
  }

  /** No timer is left. */
  close(): void {
    this.#trials.close();
  }

  async #adopt(read: Extract<Reload, { ok: true }>, isTrial: boolean): Promise<void> {
    const { tell, log, taken } = this.#options;
    this.loaded = read.loaded;
    log.level = read.loaded.settings.log.level;
    tell({ kind: 'settings', loaded: read.loaded, changed: read.changed, isTrial });
    await taken();
  }
}
