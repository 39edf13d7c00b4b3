import type { ModelEntry, ModelState, Worker, WorkerDirectory, WorkerState } from '../../gateway/core/worker.ts';
import type { Clock } from '../../gateway/core/clock.ts';
import { type FakeWorker, MODEL } from './fake-worker.ts';

/** A directory over a list of workers that the test changes at will. The first model is the default. */
export class FakeDirectory implements WorkerDirectory {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #workers: readonly FakeWorker[];
  #models: readonly ModelEntry[];

  constructor(clock: Clock, workers: readonly FakeWorker[], models: readonly string[] = [MODEL]) {
    this.#clock = clock;
    this.#workers = workers;
    this.#models = models.map((id) => modelEntry(id));
  }

  workers(): readonly Worker[] {
    return this.#workers;
  }

  readyFor(model: string): readonly Worker[] {
    return this.#workers.filter(({ view }) => view.state === 'ready' && view.models.some((served) => served.id === model));
  }

  models(): readonly ModelEntry[] {
    return this.#models;
  }

  resolve(name: string | null): ModelEntry | null {
    return (name === null ? this.#models[0] : this.#models.find((model) => model.id === name)) ?? null;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  // === what the test does ===

  setWorkers(workers: readonly FakeWorker[]): void {
    this.#workers = workers;
    this.changed();
  }

  setState(worker: FakeWorker, state: WorkerState): void {
    worker.view = { ...worker.view, state };
    if (state !== 'ready') worker.life = null;
    else worker.life ??= { since: this.#clock.now() };
    this.changed();
  }

  setModel(id: string, state: ModelState, etaSeconds: number | null = null, loadable = false): void {
    this.#models = this.#models.map((model) => (model.id === id ? { ...model, state, etaSeconds, loadable } : model));
    this.changed();
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function modelEntry(id: string): ModelEntry {
  return {
    id,
    aliases: [],
    root: null,
    parent: null,
    maxModelLen: null,
    created: 1,
    state: 'ready',
    profile: null,
    capabilities: ['chat'],
    etaSeconds: null,
    loadable: false,
  };
}
