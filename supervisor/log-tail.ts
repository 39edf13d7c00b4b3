import type { WorkerStage } from '../gateway/core/worker.ts';
import type { FailurePhase } from './failure-table.ts';
import type { LogLine } from './log-lines.ts';
import { LineSplitter, ownCopy } from './log-lines.ts';

/** What a batch of output told about the start. */
export interface Progress {
  /** The furthest stage seen in this batch. */
  readonly stage: WorkerStage | null;
  /** 0..1 of the weights that have been read; null when it said nothing of that. */
  readonly loaded: number | null;
  /** The server has said that it answers now. */
  readonly serving: boolean;
  /** It has said that its engine is dead. */
  readonly dying: boolean;
}

/** What the engine has measured of itself, in GiB of GPU memory. */
export interface Measured {
  readonly weightsGib?: number;
  readonly kvCacheGib?: number;
  readonly graphsGib?: number;
}

/** What vLLM prints when a stage is behind it, in the order of a start. */
const STAGES: readonly { readonly stage: WorkerStage; readonly pattern: RegExp }[] = [
  { stage: 'model_loaded', pattern: /\bModel loading took [\d.]+ Gi?B/ },
  { stage: 'cuda_graphs', pattern: /\bGraph capturing finished in\b/ },
  { stage: 'cuda_graphs', pattern: /\binit engine \(profile, create kv cache, warmup model\) took\b/ },
];

/** What vLLM prints when a phase begins. The last one said counts: newer versions try the graphs before they take the KV cache. */
const PHASES: readonly { readonly phase: FailurePhase; readonly pattern: RegExp }[] = [
  { phase: 'load', pattern: /Starting to load model|Loading model from scratch|Loading safetensors checkpoint/ },
  { phase: 'profile', pattern: /\bModel loading took [\d.]+ Gi?B/ },
  { phase: 'graphs', pattern: /Capturing CUDA graphs|Profiling CUDA graph memory/ },
  { phase: 'profile', pattern: /Available KV cache memory:/ },
  { phase: 'kv', pattern: /GPU KV cache size:/ },
  { phase: 'warmup', pattern: /\bGraph capturing finished in\b|\binit engine \(profile/ },
];

const MEASURED: readonly { readonly what: keyof Measured; readonly pattern: RegExp }[] = [
  { what: 'weightsGib', pattern: /\bModel loading took ([\d.]+) Gi?B/ },
  { what: 'kvCacheGib', pattern: /Available KV cache memory: (-?[\d.]+) GiB/ },
  { what: 'graphsGib', pattern: /Graph capturing finished in .* took (-?[\d.]+) Gi?B/ },
];

const SERVING = /\bApplication startup complete\b/;
const DYING = /EngineCore encountered a fatal error|engine core exited unexpectedly|EngineDeadError/;
const LOADED = /Loading (?:safetensors|pt|bin) checkpoint shards:\s*(\d+)% Completed/;

/** Masked before two lines are compared: the clock, and the times that a progress bar shows even while it stands still. */
const MOVING_PARTS = /\d\d-\d\d \d\d:\d\d:\d\d|\[\d\d:\d\d<[^\]]*\]|\bpid=\d+/g;
/** One line a request, and one every ten seconds: they would push the lines that explain a death out of a bounded memory. */
const CHATTER = /^INFO:\s+[\d.:[\]a-f]+ - "|^INFO .*\bEngine \d+: Avg prompt throughput/;

/** Lines remembered to tell news from repetition. */
const MAX_SEEN_LINES = 5000;
const MAX_SEEN_CHARS = 200;
/** Characters kept in all. */
const MAX_CHARS = 2 * 1024 * 1024;

/** The last lines of one start's output, and what they tell of its progress. Holds a bounded amount, however much comes. */
export class LogTail {
  readonly #splitter = new LineSplitter();
  readonly #all: BoundedLines;
  readonly #story: BoundedLines;
  readonly #seen = new Set<string>();
  #phase: FailurePhase = 'launch';
  #measured: Measured = {};

  constructor(maxLines = 2000) {
    this.#all = new BoundedLines(maxLines, MAX_CHARS);
    this.#story = new BoundedLines(maxLines, MAX_CHARS);
  }

  /** Takes output in; null when it held no news: a start that only repeats itself is not getting anywhere. */
  push(chunk: string): Progress | null {
    return this.#keep(this.#splitter.push(chunk));
  }

  /** Takes in the line that the end of the output cut short. */
  end(): void {
    this.#keep(this.#splitter.flush());
  }

  /** What the start was doing when it last said something. */
  get phase(): FailurePhase {
    return this.#phase;
  }

  get measured(): Measured {
    return this.#measured;
  }

  /** Oldest first. */
  lines(): readonly LogLine[] {
    return this.#all.lines();
  }

  /** The same without the lines that every request leaves: what may explain an end. */
  story(): readonly LogLine[] {
    return this.#story.lines();
  }

  #keep(lines: readonly LogLine[]): Progress | null {
    let news = false;
    let stage: WorkerStage | null = null;
    let loaded: number | null = null;
    let serving = false;
    let dying = false;
    for (const line of lines) {
      const { text } = line;
      this.#all.push(line);
      if (CHATTER.test(text)) continue;
      this.#story.push(line);
      news = this.#isNews(text) || news;
      stage = STAGES.find(({ pattern }) => pattern.test(text))?.stage ?? stage;
      const percent = LOADED.exec(text)?.[1];
      if (percent !== undefined) loaded = Number(percent) / 100;
      serving ||= SERVING.test(text);
      dying ||= DYING.test(text);
      this.#phase = PHASES.findLast(({ pattern }) => pattern.test(text))?.phase ?? this.#phase;
      this.#measure(text);
    }
    return news ? { stage, loaded, serving, dying } : null;
  }

  #measure(text: string): void {
    for (const { what, pattern } of MEASURED) {
      const gib = Number.parseFloat(pattern.exec(text)?.[1] ?? '');
      if (Number.isFinite(gib)) this.#measured = { ...this.#measured, [what]: gib };
    }
  }

  #isNews(text: string): boolean {
    const masked = text.replace(MOVING_PARTS, '').slice(0, MAX_SEEN_CHARS);
    if (this.#seen.has(masked)) return false;
    if (this.#seen.size >= MAX_SEEN_LINES) this.#seen.clear();
    this.#seen.add(ownCopy(masked));
    return true;
  }
}

/** The last lines pushed: at most so many, and at most so many characters. */
class BoundedLines {
  readonly #maxLines: number;
  readonly #maxChars: number;
  #kept: LogLine[] = [];
  #chars = 0;

  constructor(maxLines: number, maxChars: number) {
    this.#maxLines = maxLines;
    this.#maxChars = maxChars;
  }

  push(line: LogLine): void {
    this.#kept.push(line);
    this.#chars += line.text.length;
    // Trimmed now and then rather than line by line: taking one off the front moves all the others.
    if (this.#kept.length > this.#maxLines * 2 || this.#chars > this.#maxChars * 2) this.#trim();
  }

  lines(): readonly LogLine[] {
    return this.#kept.slice(-this.#maxLines);
  }

  #trim(): void {
    let from = this.#kept.length;
    let chars = 0;
    while (from > 0 && this.#kept.length - from < this.#maxLines) {
      chars += this.#kept[from - 1]!.text.length;
      if (chars > this.#maxChars) break;
      from -= 1;
    }
    this.#kept = this.#kept.slice(from);
    this.#chars = this.#kept.reduce((sum, { text }) => sum + text.length, 0);
  }
}
