import type { Worker } from '../../core/worker.ts';

const MOST_ANSWERS = 10_000;

/** Where an answer is that a client may come back for. */
export interface AnswerPlace {
  readonly worker: string;
  readonly model: string;
}

/**
 * Which worker made which answer of `/v1/responses`: where it keeps answers, nobody else can be asked for one, nor go on from it. Forgotten
 * are the oldest of many, and those of a worker that has left or begun another life: it keeps them in its memory.
 */
export class AnswerPlaces {
  /** In the order in which they were made. */
  readonly #places = new Map<string, AnswerPlace & { readonly life: Worker['life'] }>();
  readonly #workers: () => readonly Worker[];

  readonly #onNew: (answer: string, place: AnswerPlace) => void;

  /** @param onNew told of each answer that was made here, where there is a choice of workers */
  constructor(workers: () => readonly Worker[], onNew: (answer: string, place: AnswerPlace) => void = () => {}) {
    this.#workers = workers;
    this.#onNew = onNew;
  }

  note(answer: string, worker: Worker, model: string): void {
    if (this.#places.has(answer)) return;
    this.#keep(answer, worker, model);
    if (this.#workers().length > 1) this.#onNew(answer, { worker: worker.id, model });
  }

  /** Another process of this gateway has made an answer. */
  take(answer: string, { worker: id, model }: AnswerPlace): void {
    const worker = this.#workers().find((each) => each.id === id);
    if (worker) this.#keep(answer, worker, model);
  }

  #keep(answer: string, { id, life }: Worker, model: string): void {
    this.#places.set(answer, { worker: id, model, life });
    if (this.#places.size > MOST_ANSWERS) this.#places.delete(this.#places.keys().next().value!);
  }

  /** null where it was never made here, or is lost. Of a single worker nobody needs to know what it made. */
  of(answer: string): AnswerPlace | null {
    const known = this.#places.get(answer);
    const workers = this.#workers();
    if (known && workers.some(({ id, life }) => id === known.worker && life === known.life)) return known;
    const only = workers.length === 1 ? workers[0]! : null;
    const model = only?.view.models[0]?.id;
    return only && model !== undefined ? { worker: only.id, model } : null;
  }
}
