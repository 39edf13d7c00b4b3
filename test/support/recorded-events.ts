import type { Events } from '../../gateway/core/events.ts';

export interface Recorded<K extends keyof Events = keyof Events> {
  readonly name: K;
  readonly args: Parameters<Events[K]>;
}

/** Events that remember what they were told, in order. */
export class RecordedEvents implements Events {
  readonly all: Recorded[] = [];

  /** The arguments of every event of this name. */
  of<K extends keyof Events>(name: K): Parameters<Events[K]>[] {
    return this.all.filter((event) => event.name === name).map((event) => event.args as Parameters<Events[K]>);
  }

  count(name: keyof Events): number {
    return this.of(name).length;
  }

  readonly requestStarted = this.#recorder('requestStarted');
  readonly requestEnded = this.#recorder('requestEnded');
  readonly requestRefused = this.#recorder('requestRefused');
  readonly admitted = this.#recorder('admitted');
  readonly rejected = this.#recorder('rejected');
  readonly limited = this.#recorder('limited');
  readonly cacheEvicted = this.#recorder('cacheEvicted');
  readonly storeChanged = this.#recorder('storeChanged');
  readonly storeFailed = this.#recorder('storeFailed');
  readonly storeMissed = this.#recorder('storeMissed');
  readonly lineEnded = this.#recorder('lineEnded');
  readonly batchEnded = this.#recorder('batchEnded');
  readonly batchPaused = this.#recorder('batchPaused');
  readonly batchLeft = this.#recorder('batchLeft');
  readonly windowChanged = this.#recorder('windowChanged');
  readonly routed = this.#recorder('routed');
  readonly attemptEnded = this.#recorder('attemptEnded');
  readonly retried = this.#recorder('retried');
  readonly fellBack = this.#recorder('fellBack');
  readonly resumeEnded = this.#recorder('resumeEnded');
  readonly sessionsEnded = this.#recorder('sessionsEnded');
  readonly prefixRouted = this.#recorder('prefixRouted');
  readonly breakerChanged = this.#recorder('breakerChanged');
  readonly workerChanged = this.#recorder('workerChanged');
  readonly sourceChanged = this.#recorder('sourceChanged');
  readonly workersFound = this.#recorder('workersFound');
  readonly findingsLeftOut = this.#recorder('findingsLeftOut');
  readonly canaryChanged = this.#recorder('canaryChanged');
  readonly pressureChanged = this.#recorder('pressureChanged');
  readonly configReloaded = this.#recorder('configReloaded');
  readonly draining = this.#recorder('draining');

  #recorder<K extends keyof Events>(name: K): (...args: Parameters<Events[K]>) => void {
    return (...args) => {
      this.all.push({ name, args } as Recorded);
    };
  }
}
