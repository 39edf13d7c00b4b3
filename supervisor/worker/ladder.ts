import type { Clock } from '../../gateway/core/clock.ts';
import { describeChanges } from '../fit/advice.ts';
import type { Footing } from '../ladder/ladder.ts';
import type { LoadedFooting } from './ladder-record.ts';
import { LadderRecord } from './ladder-record.ts';
import type { Setup } from '../ladder/step.ts';
import { relax, summarize } from '../ladder/step.ts';
import type { Effect } from '../machine/life.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { Measured } from '../failure/log-tail.ts';
import type { WorkerSpec } from '../plan/worker-spec.ts';

/** What is new about a footing. */
type News = Pick<Extract<Effect, { type: 'save_footing' }>, 'change' | 'step' | 'failure'>;

/** What was relaxed for a worker's model, on disk. */
export function ladderRecord(spec: WorkerSpec, file: string): LadderRecord {
  const { id: worker, modelId: model, fingerprint, gpuUuids, driverVersion } = spec;
  return new LadderRecord(file, { worker, model, fingerprint, gpuUuids, driverVersion });
}

/** The end of a sentence about what is relaxed. */
export function howToReset(worker: string): string {
  return `"headgate restart ${worker} --reset" takes that back`;
}

/** One worker's settings as the ladders leave them, and the record and report of every step. */
export class WorkerLadder {
  readonly #spec: WorkerSpec;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #record: LadderRecord;

  /** `file`: where the record is kept. */
  constructor(spec: WorkerSpec, file: string, clock: Clock, log: Log) {
    this.#spec = spec;
    this.#clock = clock;
    this.#log = log;
    this.#record = ladderRecord(spec, file);
  }

  /** Where the worker stood when an earlier supervisor ended. What was for something else is taken back, and that is told. */
  load(): LoadedFooting {
    const loaded = this.#record.load();
    const kept = summarize(loaded.footing.steps);
    if (kept.length > 0) {
      const { id: worker, modelId } = this.#spec;
      const told = `${worker} keeps what was relaxed before for ${modelId}: ${describeChanges(kept)}; ${howToReset(worker)}.`;
      this.#log.info('worker.degraded', told, { worker, steps: kept.length });
    }
    if (loaded.reset) this.save({ change: 'reset', step: null, failure: null }, loaded.footing, loaded.version, {});
    return loaded;
  }

  /** What it is launched with: what is wanted, less what was relaxed; null when it cannot run at all. */
  setup({ steps }: Footing): Setup | null {
    return this.#spec.wanted && relax(this.#spec.wanted.setup, steps);
  }

  /** Writes down where the worker stands now, and tells what is new about it in one line. */
  save({ change, step, failure }: News, footing: Footing, version: string | null, measured: Measured): void {
    const worker = this.#spec.id;
    try {
      this.#record.append({ atMs: this.#clock.wall(), change, step, failure, measured, version, footing });
    } catch (error) {
      this.#log.warn('worker.degraded', `What was relaxed could not be written down: ${(error as Error).message}.`, { worker });
    }
    if (change === 'reset') {
      this.#log.info('worker.degraded', `${worker} starts with its profile again; what was relaxed is taken back.`, { worker });
      return;
    }
    if (change === null || !step) return;
    const { setting, from, to, reason, class: name } = step;
    const fields = { worker, setting, from, to, class: name, steps: footing.steps.length };
    if (change === 'restored') {
      this.#log.info('worker.degraded', `${worker} tries ${setting} ${from} again instead of ${to}.`, fields);
      return;
    }
    const told = { ...fields, advice: failure?.advice ?? null };
    this.#log.warn('worker.degraded', `${worker} starts with ${setting} ${to} instead of ${from}: ${reason}.`, told);
  }
}
