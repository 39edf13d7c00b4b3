import type { Worker } from '../../core/worker.ts';

const MOST_ANSWERS = 10_000;

/** Where an answer is that a client may come back for. */
export interface AnswerPlace {
  readonly worker: string;
  readonly model: string;
  /** Whose it is: the name of a key; null: of somebody without. */
  readonly owner: string | null;
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

  note(answer: string, worker: Worker, model: string, owner: string | null): void {
    if (this.#places.has(answer)) return;
    this.#keep(answer, worker, model, owner);
    if (this.#workers().length > 1) this.#onNew(answer, { worker: worker.id, model, owner });
  }

  /** Another process of this gateway has made an answer. */
  take(answer: string, { worker: id, model, owner }: AnswerPlace): void {
    const worker = this.#workers().find((each) => each.id === id);
    if (worker) this.#keep(answer, worker, model, owner);
  }

  #keep(answer: string, { id, life }: Worker, model: string, owner: string | null): void {
    this.#places.set(answer, { worker: id, model, owner, life });
    if (this.#places.size > MOST_ANSWERS) this.#places.delete(this.#places.keys().next().value!);
  }

  /**
   * null where it was never made here, or is lost; of a single worker nobody needs to know what it made. 'anothers' where `asker` is not its
   * owner, and for a key also where its owner is not known: names of answers may be guessed, since clients may choose their ids.
   */
  of(answer: string, asker: string | null): AnswerPlace | 'anothers' | null {
    const known = this.#places.get(answer);
    if (known ? known.owner !== asker : asker !== null) return 'anothers';
    const workers = this.#workers();
    if (known && workers.some(({ id, life }) => id === known.worker && life === known.life)) return known;
    const only = workers.length === 1 ? workers[0]! : null;
    const model = only?.view.models[0]?.id;
    return only && model !== undefined ? { worker: only.id, model, owner: asker } : null;
  }
}
