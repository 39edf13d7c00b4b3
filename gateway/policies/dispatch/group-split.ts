import type { Call } from '../../core/call.ts';
import type { Random } from '../../core/random.ts';
import { groupOf, MAIN_GROUP, type Worker, type WorkerDirectory } from '../../core/worker.ts';
import { hash32 } from './hash.ts';

/** Who gets what comes: those of `base`, but for the share (0 to 1) that goes to those of `group`, which is on trial. */
export interface Split {
  readonly base: string;
  readonly onTrial: { readonly group: string; readonly share: number } | null;
}

export const NO_SPLIT: Split = { base: MAIN_GROUP, onTrial: null };

/** How far the share that calls with a key get may be off what is meant, as a part of it, and by how many calls on top. */
const KEYED_BOUND = 0.25;
const KEYED_CALLS = 2;

/**
 * Divides calls between groups of workers. A group that is neither the base nor on trial gets a call only where none of the base may be
 * asked: a worker that is there is better than a refusal. What belongs together (a conversation, a prefix) goes to the same group, by its
 * hash, unless that would give the group a wrong share: where all calls have one prefix, a hash knows only all or nothing.
 * With one group only it costs a look at a flag.
 */
export class GroupSplit {
  readonly #random: Random;
  readonly #directory: Pick<WorkerDirectory, 'workers'>;
  #split: Split = NO_SPLIT;
  /** All workers are of the base: there is nothing to divide. */
  #isPlain = true;
  /** Calls with a key that were divided by the split in force, and those of them that went on trial. */
  #keyed = 0;
  #keyedOnTrial = 0;

  constructor(random: Random, directory: Pick<WorkerDirectory, 'workers' | 'onChange'>) {
    this.#random = random;
    this.#directory = directory;
    directory.onChange(() => this.#look());
    this.#look();
  }

  get split(): Split {
    return this.#split;
  }

  set split(split: Split) {
    this.#split = split;
    this.#keyed = this.#keyedOnTrial = 0;
    this.#look();
  }

  isOnTrial(worker: Worker): boolean {
    return this.#split.onTrial !== null && groupOf(worker) === this.#split.onTrial.group;
  }

  /**
   * Of workers that may be asked, those that a call goes to; the list itself when that is all of them. Never empty. `isAgain`: the call has
   * been tried, and is not to be tried on trial. `keyOf`: what calls that belong together share; null: it belongs to none. `isFull`: a worker
   * has room for nothing more; a group on trial of which all are gets nothing while the others are there.
   */
  keep(
    workers: readonly Worker[],
    call: Call,
    isAgain: boolean,
    keyOf: (call: Call) => string | null,
    isFull: (worker: Worker) => boolean,
  ): readonly Worker[] {
    if (this.#isPlain) return workers;
    const { base, onTrial } = this.#split;
    const steady = workers.filter((worker) => groupOf(worker) === base);
    if (onTrial !== null && !isAgain) {
      const tried = workers.filter((worker) => groupOf(worker) === onTrial.group);
      const goes = (): boolean => steady.length === 0 || (!tried.every(isFull) && this.#goesOnTrial(keyOf(call), onTrial.share));
      if (tried.length > 0 && goes()) return tried;
    }
    return steady.length > 0 ? steady : workers;
  }

  /** What the workers that get calls have of something together (places), as far as the split lets it be used. */
  sum(workers: readonly Worker[], amountOf: (worker: Worker) => number): number {
    if (this.#isPlain) return workers.reduce((sum, worker) => sum + amountOf(worker), 0);
    const of = (group: string): number => workers.reduce((sum, worker) => (groupOf(worker) === group ? sum + amountOf(worker) : sum), 0);
    const { base, onTrial } = this.#split;
    const has = (group: string): boolean => workers.some((worker) => groupOf(worker) === group);
    const trial = onTrial !== null && has(onTrial.group) ? onTrial : null;
    if (!has(base)) return trial === null ? workers.reduce((sum, worker) => sum + amountOf(worker), 0) : of(trial.group);
    const steady = of(base);
    const tried = trial === null ? 0 : of(trial.group);
    if (trial === null || tried === 0) return steady;
    // Each group gets its share of what is admitted, so the one that would be full first is the measure.
    const { share } = trial;
    return Math.floor(Math.min(share === 1 ? Infinity : steady / (1 - share), share === 0 ? Infinity : tried / share));
  }

  #goesOnTrial(key: string | null, share: number): boolean {
    if (share >= 1) return true;
    if (key === null) return this.#random.next() < share;
    const meant = ++this.#keyed * share;
    const slack = KEYED_BOUND * meant + KEYED_CALLS;
    const isChosen = hash32('group', key) / 2 ** 32 < share;
    const goes = isChosen ? this.#keyedOnTrial + 1 <= meant + slack : this.#keyedOnTrial < meant - slack;
    if (goes) this.#keyedOnTrial++;
    return goes;
  }

  #look(): void {
    const { base, onTrial } = this.#split;
    this.#isPlain = onTrial === null && this.#directory.workers().every((worker) => groupOf(worker) === base);
  }
}
