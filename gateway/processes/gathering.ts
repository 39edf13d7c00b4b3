import type { Clock } from '../core/clock.ts';
import { type MetricPage, remembered } from '../telemetry/metrics/merged.ts';
import type { KeeperWord, Part, PartOf, Parts } from './words.ts';

/** One that is busy is late by this much; then what it showed last has to do. */
const ANSWER_MS = 1_000;
/** There is a series of it for each worker that a process knows. */
const OF_EACH_WORKER = 'headgate_worker_ready';

interface Asked {
  readonly number: number;
  readonly pid: number;
  tell(word: KeeperWord): void;
}

/** Asks all processes the same, and keeps what those that are gone have counted. */
export class Gathering {
  readonly #clock: Clock;
  /** By question: whoever waits for the answers to it. */
  readonly #open = new Map<number, { readonly left: Set<number>; readonly got: Map<number, unknown>; readonly done: () => void }>();
  /** By process: the page that it showed last. */
  readonly #pages = new Map<number, MetricPage>();
  #gone: MetricPage = [];
  #questions = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the order of `processes`. */
  async parts(question: Part, processes: readonly Asked[]): Promise<Parts> {
    const got = await this.#ask(question, processes);
    if (question !== 'metrics') return { parts: processes.map(({ number, pid }) => ({ pid, part: got.get(number) ?? null })), gone: null };
    for (const [number, page] of got) this.#pages.set(number, page as MetricPage);
    // One that has gone meanwhile is among those that are remembered.
    const parts: PartOf[] = processes.flatMap(({ number, pid }) =>
      this.#pages.has(number) ? [{ pid, part: this.#pages.get(number) }] : [],
    );
    if (this.#gone.length > 0 && parts.length > 0) this.#gone = remembered([], this.#gone, this.#hasWorker());
    return { parts, gone: this.#gone };
  }

  answered(number: number, id: number, part: unknown): void {
    const question = this.#open.get(id);
    if (!question?.left.delete(number)) return;
    if (part !== null) question.got.set(number, part);
    if (question.left.size === 0) question.done();
  }

  gone(number: number): void {
    const page = this.#pages.get(number);
    this.#pages.delete(number);
    if (page) this.#gone = remembered(this.#gone, page, () => true);
    for (const [id, question] of this.#open) {
      question.got.delete(number);
      if (question.left.has(number)) this.answered(number, id, null);
    }
  }

  #ask(question: Part, processes: readonly Asked[]): Promise<ReadonlyMap<number, unknown>> {
    const id = ++this.#questions;
    const got = new Map<number, unknown>();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#open.delete(id);
        resolve(got);
      };
      const timer = this.#clock.after(ANSWER_MS, done);
      this.#open.set(id, { left: new Set(processes.map(({ number }) => number)), got, done });
      if (processes.length === 0) return done();
      for (const one of processes) one.tell({ kind: 'question', id, question });
    });
  }

  #hasWorker(): (worker: string) => boolean {
    const workers = new Set<unknown>();
    for (const page of this.#pages.values()) {
      for (const metric of page) if (metric.name === OF_EACH_WORKER) for (const { labels } of metric.values) workers.add(labels.worker);
    }
    return (worker) => workers.has(worker);
  }
}
