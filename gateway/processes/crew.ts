import type { Clock, Timer } from '../core/clock.ts';
import type { Log } from '../core/log/log.ts';
import { Restarts } from './restarts.ts';
import { ServerProcess } from './server-process.ts';
import type { Beginning, KeeperWord, ServerWord } from './words.ts';

/** Looks, one a second, at which a process says nothing of itself until it counts as hung. */
const MOST_SILENT_LOOKS = 30;
/** The same for one that has yet to serve, on a machine that may have much to do at its own start. */
const MOST_SILENT_LOOKS_AT_START = 120;
/** How long clients of a process that has died may wait for the next to start. */
const CLIENTS_WAIT_MS = 1_000;

interface CrewOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly count: number;
  /** What one that starts now has to know. */
  readonly beginning: (index: number) => Omit<Beginning, 'kind' | 'index' | 'count' | 'sockets'>;
  /** The sockets that it is to listen on, by our descriptors. */
  readonly sockets: (index: number) => Beginning['sockets'];
  /** Nobody listens on them for longer than clients should wait. */
  readonly dropSockets: (index: number) => void;
  readonly heard: (process: ServerProcess, word: ServerWord) => void;
  readonly started: (process: ServerProcess) => void;
  /** It is not among them any more. */
  readonly gone: (process: ServerProcess) => void;
  /** None is left that serves, and none is started again. */
  readonly onHopeless: (reason: string) => void;
}

/** The processes that serve: started, watched, and started again when they end. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #restarts: readonly Restarts[];
  readonly #running = new Map<number, ServerProcess>();
  readonly #startedAt = new Map<number, number>();
  readonly #timers = new Set<Timer>();
  #numbers = 0;
  #givenUp = 0;
  #isEnding = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#restarts = Array.from({ length: options.count }, () => new Restarts());
  }

  /** Those that run, in the order of their places. */
  get all(): readonly ServerProcess[] {
    return [...this.#running.values()].toSorted((a, b) => a.index - b.index);
  }

  /** Whether all that are to serve are well, and know the default model. */
  get isReady(): boolean {
    return this.#running.size >= this.#options.count - this.#givenUp && this.all.every(({ isReady }) => isReady);
  }

  /** Where they run from now on those that end are not started again. */
  end(): void {
    this.#isEnding = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  start(index: number): void {
    const { clock, count, beginning, heard } = this.#options;
    const number = ++this.#numbers;
    const process: ServerProcess = new ServerProcess(
      number,
      { kind: 'begin', index, count, ...beginning(index) },
      this.#options.sockets(index),
      {
        word: (word) => {
          if (!this.#running.has(number)) return;
          process.silentLooks = 0;
          if (word.kind === 'listening') process.isListening = true;
          if (word.kind === 'failed') process.lastWords = word.message;
          heard(process, word);
        },
        exit: (code, signal) => this.#onExit(process, code, signal),
      },
    );
    this.#running.set(number, process);
    this.#startedAt.set(number, clock.now());
    this.#options.started(process);
  }

  tell(word: KeeperWord, but?: ServerProcess): void {
    for (const process of this.#running.values()) if (process !== but) process.tell(word);
  }

  /** Once a second. One that hangs is ended, and started again. */
  look(): void {
    for (const process of this.#running.values()) {
      process.silentLooks += 1;
      const most = process.isListening ? MOST_SILENT_LOOKS : MOST_SILENT_LOOKS_AT_START;
      if (process.silentLooks < most) continue;
      const told = `Process ${process.pid} of the gateway has said nothing for ${most} s: it hangs, and is ended.`;
      this.#options.log.error('process.hung', told, { pid: process.pid });
      process.kill();
    }
  }

  killAll(): void {
    this.end();
    for (const process of this.#running.values()) process.kill();
  }

  /** Resolves when none runs any more. */
  empty(): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : new Promise((resolve) => (this.#onEmpty = resolve));
  }

  #onExit(process: ServerProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.#running.delete(process.number)) return;
    const livedMs = this.#options.clock.now() - (this.#startedAt.get(process.number) ?? 0);
    this.#startedAt.delete(process.number);
    this.#options.gone(process);
    if (this.#running.size === 0) this.#onEmpty?.();
    const delayMs = this.#isEnding ? null : this.#restarts[process.index]!.after(livedMs, process.isListening);
    if (delayMs === null || delayMs > CLIENTS_WAIT_MS) this.#options.dropSockets(process.index);
    if (this.#isEnding) return;
    const { clock, log } = this.#options;
    const how = signal !== null ? `was ended by ${signal}` : code === null ? 'could not be started' : `ended with exit code ${code}`;
    const what = `Process ${process.pid} of the gateway ${how}`;
    const fields = { pid: process.pid, ...(signal === null ? {} : { signal }), message: process.lastWords };
    if (delayMs !== null) {
      const cost = process.isListening ? '; the calls that it had are cut off' : ' before it served';
      log.error('process.exit', `${what}${cost}. It is started again in ${delayMs / 1000} s.`, fields);
      const timer = clock.after(delayMs, () => {
        this.#timers.delete(timer);
        this.start(process.index);
      });
      this.#timers.add(timer);
      return;
    }
    this.#givenUp += 1;
    // Others may not even have been begun: the first has to serve before they are.
    const left = this.#running.size + this.#timers.size;
    const told = `${what} before it served, as it did the times before; it is not started again.`;
    log.error('process.given_up', left > 0 ? `${told} The gateway goes on with ${left} of ${this.#options.count}.` : told, fields);
    if (left === 0) this.#options.onHopeless(process.lastWords ?? how);
  }
}
