import { Worker } from 'node:worker_threads';
import type { Clock } from '../../core/clock.ts';
import type { StoreAnswer, StoreQuestion } from './words.ts';

/** At the end, what is under way may take so long. */
const LAST_MS = 2_000;

/** The database, in a thread of its own, which is started when it is first asked, and again when it has died. */
export class Store {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #open = new Map<number, (answer: StoreAnswer) => void>();
  #thread: Worker | null = null;
  #questions = 0;
  #isClosed = false;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  get file(): string {
    return this.#file;
  }

  /** Never rejects. It may take as long as the disk does: whoever cannot wait has a limit of his own. */
  ask(question: StoreQuestion): Promise<StoreAnswer> {
    if (this.#isClosed) return Promise.resolve({ ok: false, trouble: 'thread', message: 'it is closed' });
    let thread: Worker;
    try {
      thread = this.#thread ??= this.#start();
    } catch (error) {
      return Promise.resolve({ ok: false, trouble: 'thread', message: `no thread can be started: ${(error as Error).message}` });
    }
    const id = ++this.#questions;
    return new Promise((resolve) => {
      this.#open.set(id, resolve);
      thread.ref();
      thread.postMessage({ id, question });
    });
  }

  /** What was asked before is answered, or given up after a while. */
  async close(): Promise<void> {
    const thread = this.#thread;
    if (thread === null || this.#isClosed) return;
    const closed = this.ask({ kind: 'close' });
    this.#isClosed = true;
    const limit = this.#clock.after(LAST_MS, () => void thread.terminate());
    await closed;
    limit.cancel();
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const thread = new Worker(new URL(`./store-thread.${extension}`, import.meta.url), { workerData: { file: this.#file } });
    let why = 'its thread has ended';
    thread.on('message', ({ id, answer }: { id: number; answer: StoreAnswer }) => {
      const resolve = this.#open.get(id);
      this.#open.delete(id);
      if (this.#open.size === 0) thread.unref();
      resolve?.(answer);
    });
    thread.on('error', (error) => (why = `its thread has ended: ${error instanceof Error ? error.message : String(error)}`));
    thread.once('exit', () => {
      this.#thread = null;
      const unanswered = [...this.#open.values()];
      this.#open.clear();
      for (const resolve of unanswered) resolve({ ok: false, trouble: 'thread', message: why });
    });
    return thread;
  }
}
