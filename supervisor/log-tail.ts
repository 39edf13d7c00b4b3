import type { WorkerStage } from '../gateway/core/worker.ts';
import type { LogLine } from './log-lines.ts';
import { LineSplitter } from './log-lines.ts';

/** What a batch of output told about the start. */
export interface Progress {
  /** The furthest stage seen in this batch. */
  readonly stage: WorkerStage | null;
  /** The server has said that it answers now. */
  readonly serving: boolean;
}

/** What vLLM prints when a stage is behind it, in the order of a start. */
const STAGES: readonly { readonly stage: WorkerStage; readonly pattern: RegExp }[] = [
  { stage: 'model_loaded', pattern: /\bModel loading took [\d.]+ Gi?B/ },
  { stage: 'cuda_graphs', pattern: /\bGraph capturing finished in\b/ },
  { stage: 'cuda_graphs', pattern: /\binit engine \(profile, create kv cache, warmup model\) took\b/ },
];
const SERVING = /\bApplication startup complete\b/;

/** Masked before two lines are compared: the clock, and the times that a progress bar shows even while it stands still. */
const MOVING_PARTS = /\d\d-\d\d \d\d:\d\d:\d\d|\[\d\d:\d\d<[^\]]*\]|\bpid=\d+/g;

/** Lines remembered to tell news from repetition. */
const MAX_SEEN_LINES = 5000;

/** The last lines of one start's output, and what they tell of its progress. Holds a bounded amount, however much comes. */
export class LogTail {
  readonly #splitter = new LineSplitter();
  readonly #ring: LogLine[] = [];
  readonly #maxLines: number;
  readonly #seen = new Set<string>();

  constructor(maxLines = 2000) {
    this.#maxLines = maxLines;
  }

  /** Takes output in; null when it held no news: a start that only repeats itself is not getting anywhere. */
  push(chunk: string): Progress | null {
    return this.#keep(this.#splitter.push(chunk));
  }

  /** Takes in the line that the end of the output cut short. */
  end(): void {
    this.#keep(this.#splitter.flush());
  }

  /** Oldest first. */
  lines(): readonly LogLine[] {
    return this.#ring.slice(-this.#maxLines);
  }

  #keep(lines: readonly LogLine[]): Progress | null {
    let news = false;
    let stage: WorkerStage | null = null;
    let serving = false;
    for (const line of lines) {
      this.#ring.push(line);
      news = this.#isNews(line.text) || news;
      stage = STAGES.find(({ pattern }) => pattern.test(line.text))?.stage ?? stage;
      serving ||= SERVING.test(line.text);
    }
    // Trimmed now and then rather than line by line: taking one off the front moves all the others.
    if (this.#ring.length > this.#maxLines * 2) this.#ring.splice(0, this.#ring.length - this.#maxLines);
    return news ? { stage, serving } : null;
  }

  #isNews(text: string): boolean {
    const masked = text.replace(MOVING_PARTS, '');
    if (this.#seen.has(masked)) return false;
    if (this.#seen.size >= MAX_SEEN_LINES) this.#seen.clear();
    this.#seen.add(masked);
    return true;
  }
}
