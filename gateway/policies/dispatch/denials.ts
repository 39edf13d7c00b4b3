import { backOffMs } from '../../core/back-off.ts';
import type { Worker, WorkerLife } from '../../core/worker.ts';

/** How long a worker is left out for a model that it says it has not; longer each time that another call hears the same. */
const LEFT_OUT = { firstMs: 5_000, longestMs: 60_000 };
/** After that time one call tries; the next only so much later. */
const TRIAL_MS = 1_000;

/** What a worker has said of one model. */
interface Denial {
  /** The life in which it said so: the next may have been given the model. */
  readonly life: WorkerLife | null;
  /** What stands for the body that heard it last. */
  body: string;
  /** Two that differ have heard it: it is not about what one client sent. */
  isSure: boolean;
  /** Times that it was tried again in vain, by others. */
  level: number;
  atMs: number;
  untilMs: number;
  triedMs: number;
}

/**
 * Workers that said of a model, which they were taken to serve, that they have no such model: restarted with other weights, or listed with
 * what they do not serve. They get no calls for it while another worker is there that does, and all that they get for their other models.
 * Nobody is refused for this: where all have said so they are asked as before. Empty, it costs a look at its size.
 */
export class Denials {
  /** By worker, and by the model's name there. */
  readonly #byWorker = new Map<string, Map<string, Denial>>();

  /** @returns whether that is news of it */
  note({ id, life }: Worker, model: string, body: string, now: number): boolean {
    let ofWorker = this.#byWorker.get(id);
    if (ofWorker === undefined) this.#byWorker.set(id, (ofWorker = new Map()));
    const known = ofWorker.get(model);
    if (known === undefined || known.life !== life) {
      ofWorker.set(model, { life, body, isSure: false, level: 0, atMs: now, untilMs: now + LEFT_OUT.firstMs, triedMs: -Infinity });
      return true;
    }
    known.isSure ||= known.body !== body;
    known.body = body;
    known.atMs = now;
    // Calls that were under way, or had nobody else to go to, say nothing new.
    if (now < known.untilMs) return false;
    if (known.isSure) known.level += 1;
    known.untilMs = now + backOffMs(LEFT_OUT, known.level);
    return false;
  }

  /** A call for the model goes there: it is the one that tries, if that is due. */
  begun(worker: string, model: string, now: number): void {
    const known = this.#byWorker.get(worker)?.get(model);
    if (known !== undefined && now >= known.untilMs) known.triedMs = now;
  }

  /** The worker has answered a call for the model, which it had at `sentAt`. */
  answered(worker: string, model: string, sentAt: number): void {
    const ofWorker = this.#byWorker.get(worker);
    const known = ofWorker?.get(model);
    if (known === undefined || sentAt <= known.atMs) return;
    ofWorker!.delete(model);
    if (ofWorker!.size === 0) this.#byWorker.delete(worker);
  }

  /** The workers that have not said so, or may be tried again; the list itself where that is all of them, or none. `nameAt`: the model's name there. */
  serving(workers: readonly Worker[], nameAt: (worker: Worker) => string, now: number): readonly Worker[] {
    if (this.#byWorker.size === 0 || workers.length < 2) return workers;
    const others = workers.filter((worker) => this.#mayHave(worker, nameAt, now));
    return others.length > 0 && others.length < workers.length ? others : workers;
  }

  get size(): number {
    return this.#byWorker.size;
  }

  /** Of workers that are gone, and of models that their worker does not name any more: should it name one again, that is news. */
  forget(workers: readonly Worker[]): void {
    for (const [id, ofWorker] of this.#byWorker) {
      const models = workers.find((worker) => worker.id === id)?.view.models ?? [];
      for (const name of ofWorker.keys()) if (!models.some((model) => model.id === name)) ofWorker.delete(name);
      if (ofWorker.size === 0) this.#byWorker.delete(id);
    }
  }

  #mayHave(worker: Worker, nameAt: (worker: Worker) => string, now: number): boolean {
    const ofWorker = this.#byWorker.get(worker.id);
    const known = ofWorker?.get(nameAt(worker));
    if (known === undefined || known.life !== worker.life) return true;
    return now >= known.untilMs && now - known.triedMs >= TRIAL_MS;
  }
}
