import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../../core/clock.ts';
import type { AnswerOf, ArgsOf, DeskCall, DeskMethod, Desks } from './desks.ts';
import { StoreFailed } from '../store-failed.ts';
import type { StoreAnswer, StoreFailure, StoreQuestion } from '../words.ts';

/** Of memory for what is young; the flags of the process would give it as much as the thread that streams. */
const YOUNG_MB = 6;
/** At the end, what is under way may take so long. */
const LAST_MS = 2_000;
/** A call is answered within a few milliseconds; another program may keep the file for two seconds, and the disk may stand still. */
const CALL_MS = 10_000;

type Said = { readonly question: StoreQuestion } | { readonly call: DeskCall };

/** The database, in a thread of its own, which is started when it is first asked, and again when it has died. */
export class Store {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #open = new Map<number, (answer: unknown) => void>();
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

  /** There is something in it, or somebody has asked for it. */
  get isThere(): boolean {
    return this.#thread !== null || existsSync(this.#file);
  }

  /** Never rejects. It may take as long as the disk does: whoever cannot wait has a limit of his own. */
  ask(question: StoreQuestion): Promise<StoreAnswer> {
    return this.#say<StoreAnswer>({ question });
  }

  /** A method of a port. @param onLate hears an answer of which the caller was told that there is none @throws StoreFailed, within ten seconds */
  async call<Desk extends keyof Desks, Name extends DeskMethod<Desk>>(
    desk: Desk,
    method: Name,
    args: ArgsOf<Desk, Name>,
    onLate?: (answer: AnswerOf<Desk, Name>) => void,
  ): Promise<AnswerOf<Desk, Name>> {
    type Answer = { readonly ok: true; readonly value: AnswerOf<Desk, Name> } | StoreFailure;
    const limit = Promise.withResolvers<StoreFailure>();
    const said = this.#say<Answer>({ call: { desk, method, args } });
    const timer = this.#clock.after(CALL_MS, () => {
      limit.resolve({ ok: false, trouble: 'timeout', message: `it does not answer within ${CALL_MS / 1_000} s` });
      if (onLate) void said.then((answer) => answer.ok && onLate(answer.value));
    });
    const answer = await Promise.race([said, limit.promise]);
    timer.cancel();
    if (!answer.ok) throw new StoreFailed(answer.trouble, answer.message);
    return answer.value;
  }

  #say<Answer>(said: Said): Promise<Answer | StoreFailure> {
    if (this.#isClosed) return Promise.resolve({ ok: false, trouble: 'thread', message: 'it is closed' });
    let thread: Worker;
    try {
      thread = this.#thread ??= this.#start();
    } catch (error) {
      return Promise.resolve({ ok: false, trouble: 'thread', message: `no thread can be started: ${(error as Error).message}` });
    }
    const id = ++this.#questions;
    return new Promise((resolve) => {
      this.#open.set(id, (answer) => resolve(answer as Answer));
      thread.ref();
      thread.postMessage({ id, ...said });
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
    const thread = new Worker(new URL(`./store-thread.${extension}`, import.meta.url), {
      workerData: { file: this.#file },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    let why = 'its thread has ended';
    thread.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
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
