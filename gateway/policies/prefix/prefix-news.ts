import type { Clock, Timer } from '../../core/clock.ts';

/** A prompt that a worker was sent: the worker's id, and the names of the prompt's blocks. */
export type SentPrompt = readonly [worker: string, blocks: readonly number[]];

/** The next turn of a conversation takes longer. */
const PAUSE_MS = 100;
/** Names of blocks that are told at once; what comes beyond in that time the others do not hear of. */
const MOST_BLOCKS = 20_000;

/** What the other processes of a gateway are told of prompts: they see none of ours, and the next turn may come to any of them. */
export class PrefixNews {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #tell: (prompts: readonly SentPrompt[]) => void;
  #prompts: SentPrompt[] = [];
  #blocks = 0;
  #timer: Timer | null = null;

  constructor(clock: Pick<Clock, 'after'>, tell: (prompts: readonly SentPrompt[]) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  add(worker: string, blocks: readonly number[]): void {
    if (this.#blocks + blocks.length > MOST_BLOCKS) return;
    this.#blocks += blocks.length;
    this.#prompts.push([worker, blocks]);
    this.#timer ??= this.#clock.after(PAUSE_MS, () => this.#send());
  }

  close(): void {
    this.#timer?.cancel();
  }

  #send(): void {
    const prompts = this.#prompts;
    this.#timer = null;
    this.#prompts = [];
    this.#blocks = 0;
    this.#tell(prompts);
  }
}
