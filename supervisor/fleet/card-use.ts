import type { Life } from '../machine/life.ts';
import type { PlannedModel } from '../plan/plan.ts';
import type { SupervisedWorker } from '../worker/worker.ts';

/** What the models of one slot have of a card, by its id. */
export class CardUse {
  readonly #models: ReadonlyMap<string, PlannedModel>;
  readonly #worker: (model: string) => SupervisedWorker;

  constructor(models: ReadonlyMap<string, PlannedModel>, worker: (model: string) => SupervisedWorker) {
    this.#models = models;
    this.#worker = worker;
  }

  /** Some model has it. */
  isPossible(uuid: string): boolean {
    return this.#on(uuid).length > 0;
  }

  /** Nothing is awake on it, or will be before its start is permitted. */
  isOff(uuid: string): boolean {
    return this.#on(uuid).every(({ life }) => isOff(life));
  }

  /** How many engines sleep there. */
  asleep(uuid: string): number {
    return this.#on(uuid).filter(({ life }) => life.state === 'asleep' || ('sleeper' in life && life.sleeper !== null)).length;
  }

  /** The share of its memory that what is awake there insists on. */
  share(uuid: string): number {
    const awake = this.#on(uuid).filter(({ life }) => !isOff(life));
    return awake.reduce((sum, { spec }) => sum + (this.#models.get(spec.modelId)?.utilization ?? 0), 0);
  }

  #on(uuid: string): readonly SupervisedWorker[] {
    return [...this.#models].filter(([, { gpuUuids }]) => gpuUuids.includes(uuid)).map(([model]) => this.#worker(model));
  }
}

function isOff(life: Life): boolean {
  if (life.state === 'starting') return life.step === 'clearing';
  return life.state === 'idle' || life.state === 'asleep' || life.state === 'backoff' || life.state === 'failed';
}
