import type { WorkerStage } from '../../gateway/core/worker.ts';
import { plainText } from '../../gateway/core/secrets/plain-text.ts';
import { withoutSecrets } from '../../gateway/core/secrets/text.ts';
import { ByteRing } from '../system/byte-ring.ts';
import type { FailurePhase } from './row.ts';

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
  /** It has said that it was told to stop, and nothing of a death before. */
  readonly told: boolean;
}

const NOTHING_NEW = { stage: null as WorkerStage | null, loaded: null as number | null, serving: false, dying: false, told: false };

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
  { phase: 'load', pattern: /Starting to load model|Loading model from scratch|\b[Ll]oading [\w ]+: +\d+% Completed/ },
  { phase: 'profile', pattern: /\bModel loading took [\d.]+ Gi?B/ },
  { phase: 'graphs', pattern: /Capturing CUDA graphs|Profiling CUDA graph memory/ },
  { phase: 'profile', pattern: /Available KV cache memory:/ },
  { phase: 'kv', pattern: /\b[CG]PU KV cache size:/ },
  { phase: 'warmup', pattern: /\bGraph capturing finished in\b|\binit engine \(profile/ },
];

const MEASURED: readonly { readonly what: keyof Measured; readonly pattern: RegExp }[] = [
  { what: 'weightsGib', pattern: /\bModel loading took ([\d.]+) Gi?B/ },
  { what: 'kvCacheGib', pattern: /Available KV cache memory: (-?[\d.]+) GiB/ },
  { what: 'kvCacheGib', pattern: /Explicitly set \(([\d.]+)\/[\d.]+\) GiB for KV cache/ },
  { what: 'graphsGib', pattern: /Graph capturing finished in .* took (-?[\d.]+) Gi?B/ },
];

const SERVING = /\bApplication startup complete\b/;
const DYING = ['EngineCore encountered a fatal error', 'engine core exited unexpectedly', 'EngineDeadError'];
/** Of the server and of its engine core, each by itself: it finishes what it has in hand and takes no more. */
const TOLD = ['[shutdown] API server: shutdown triggered', '[shutdown] EngineCore: trigger received signal='];
/** The server ends its engine core by itself, for whatever reason: what the core says of that is no news. */
const SENT = '[shutdown] Process manager: send sigterm';
/** As a line of vLLM's log: what a client has sent is printed inside of one. */
const TOLD_LINE =
  /^INFO \d\d-\d\d \d\d:\d\d:\d\d \[\w+\.py:\d+\] \[shutdown\] (?:(API server: shutdown triggered$)|EngineCore: trigger received signal=)/;
const SIGN_BYTES = Math.max(...[...DYING, ...TOLD, SENT].map((words) => words.length));
/** Each of vLLM's loaders calls it otherwise: shards of safetensors or pt, several threads, a streamer. */
const LOADED = /\b[Ll]oading [\w ]+:\s*(\d+)% Completed/;

/** Masked before two lines are compared: the clock, and the times that a progress bar shows even while it stands still. */
const MOVING_PARTS = /\d\d-\d\d \d\d:\d\d:\d\d|\[\d\d:\d\d<[^\]]*\]|\bpid=\d+/g;
/** One line a request, and one every ten seconds: they would push the lines that explain a death out of a bounded memory. */
const CHATTER = /^INFO:\s+[\d.:[\]a-f]+ - "|^INFO .*\bEngine \d+: Avg prompt throughput/;

/** Lines remembered to tell news from repetition. */
const MAX_SEEN_LINES = 5000;
const MAX_SEEN_CHARS = 200;
/** What is kept in all: some ten thousand lines, or a few of the longest. */
const KEPT_BYTES = 1024 * 1024;

/**
 * The last of one start's output, and what it tells of its progress. Takes the same memory, and while the engine serves next to no time,
 * however much comes: lines are made of it only for whoever asks.
 */
export class LogTail {
  readonly #ring = new ByteRing(KEPT_BYTES);
  readonly #maxLines: number;
  readonly #splitter = new LineSplitter();
  readonly #seen = new Set<string>();
  #phase: FailurePhase = 'launch';
  #measured: Measured = {};
  #served: boolean;
  #isDead = false;
  /** The end of what came last, in which words may have begun. */
  #overlap = Buffer.alloc(0);

  /** `served`: it is read from a point where the server answered already. */
  constructor({ maxLines = 2000, served = false }: { maxLines?: number; served?: boolean } = {}) {
    this.#maxLines = maxLines;
    this.#served = served;
  }

  /**
   * Takes output in; null when it held no news: a start that only repeats itself is not getting anywhere. After the start only the
   * engine's own report of its death, or of being told to stop, is news. `chunk` may be used for something else afterwards.
   */
  push(chunk: Buffer | string): Progress | null {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    this.#ring.push(bytes);
    const seam = Buffer.concat([this.#overlap, bytes.subarray(0, SIGN_BYTES)]);
    this.#overlap = Buffer.from(bytes.subarray(-SIGN_BYTES));
    const says = (words: string) => bytes.includes(words) || seam.includes(words);
    const dying = DYING.some(says);
    const told = !dying && !this.#isDead && TOLD.some(says) && this.#isTold(bytes.length);
    this.#isDead ||= dying || says(SENT);
    const progress = this.#served ? null : this.#follow(this.#splitter.push(bytes));
    return dying || told ? { ...(progress ?? NOTHING_NEW), dying, told } : progress;
  }

  /** What the start was doing when it last said something. */
  get phase(): FailurePhase {
    return this.#phase;
  }

  get measured(): Measured {
    return this.#measured;
  }

  /** The last lines, oldest first, without those that every request leaves and without secrets: what may explain an end, and be quoted. */
  story(): readonly LogLine[] {
    const splitter = new LineSplitter();
    const lines = [...splitter.push(this.#ring.contents()), ...splitter.flush()];
    // The first of a full ring is cut.
    const whole = (this.#ring.isFull ? lines.slice(1) : lines).filter(({ text }) => !CHATTER.test(text)).slice(-this.#maxLines);
    return whole.map((line) => ({ ...line, text: withoutSecrets(line.text) }));
  }

  /** The words stand where vLLM puts them, in what came last. */
  #isTold(newBytes: number): boolean {
    const splitter = new LineSplitter();
    const recent = this.#ring.contents().subarray(-(newBytes + MAX_RAW_BYTES));
    const lines = [...splitter.push(recent), ...splitter.flush()].filter(({ process }) => process !== null);
    const sent = lines.findIndex(({ text }) => text.includes(SENT));
    const told = lines.findIndex(({ text }) => {
      const said = TOLD_LINE.exec(text);
      // In a start the server tells its core to end when it fails itself, and older versions do not say so.
      return said !== null && (said[1] !== undefined || this.#served);
    });
    return told !== -1 && (sent === -1 || told < sent);
  }

  #follow(lines: readonly LogLine[]): Progress | null {
    const progress = { ...NOTHING_NEW };
    let news = false;
    for (const { text } of lines) {
      news = this.#isNews(text) || news;
      progress.stage = STAGES.find(({ pattern }) => pattern.test(text))?.stage ?? progress.stage;
      const percent = LOADED.exec(text)?.[1];
      if (percent !== undefined) progress.loaded = Number(percent) / 100;
      this.#phase = PHASES.findLast(({ pattern }) => pattern.test(text))?.phase ?? this.#phase;
      this.#measure(text);
      progress.serving ||= SERVING.test(text);
    }
    if (progress.serving) {
      this.#served = true;
      this.#seen.clear();
    }
    return news ? progress : null;
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
    this.#seen.add(masked);
    return true;
  }
}

/** One line of the engine's output, as a person would read it. */
export interface LogLine {
  /** Without colors, other codes for a terminal and the process prefix. */
  readonly text: string;
  /** vLLM's name for the process that wrote it ("APIServer", "EngineCore", "Worker_TP0"); null where there was no prefix. */
  readonly process: string | null;
}

/** A longer line is cut: it is data that got into the log, and nobody reads it. */
const MAX_LINE_CHARS = 4000;
/** Colors and a prefix come on top. */
const MAX_RAW_BYTES = MAX_LINE_CHARS * 2;

const PREFIX = /^\(([A-Za-z][\w.-]*) pid=\d+\) /;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * Splits what a process writes into lines. Progress bars rewrite their line with \r: each rewriting is a line of its own.
 * It works on bytes and makes a string of each line by itself: a piece of a larger string would keep all of that in memory.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Lines that `chunk` completes. Empty lines are left out. `chunk` may be used for something else afterwards. */
  push(chunk: Buffer | string): LogLine[] {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const lines: LogLine[] = [];
    let from = 0;
    for (let end = nextEnd(bytes, 0); end !== -1; end = nextEnd(bytes, from)) {
      const line = this.#rest.length > 0 ? this.#take(bytes.subarray(from, end)) : bytes.subarray(from, end);
      if (line.length > 0) lines.push(...toLine(line));
      from = end + 1;
    }
    // Of an unfinished line only the beginning is kept, so that output without any line end costs no memory.
    if (from < bytes.length && this.#rest.length < MAX_RAW_BYTES)
      this.#rest = Buffer.concat([this.#rest, bytes.subarray(from)]).subarray(0, MAX_RAW_BYTES);
    return lines;
  }

  /** What is left when the output has ended. */
  flush(): LogLine[] {
    return toLine(this.#take(Buffer.alloc(0)));
  }

  #take(end: Buffer): Buffer {
    const whole = Buffer.concat([this.#rest, end]);
    this.#rest = Buffer.alloc(0);
    return whole;
  }
}

function nextEnd(bytes: Buffer, from: number): number {
  const feed = bytes.indexOf(LINE_FEED, from);
  const limit = feed === -1 ? bytes.length : feed;
  // Only as far as the line reaches: most logs hold no such byte at all.
  const back = bytes.subarray(from, limit).indexOf(CARRIAGE_RETURN);
  return back === -1 ? feed : from + back;
}

function toLine(bytes: Buffer): LogLine[] {
  const raw = bytes.toString('utf8', 0, Math.min(bytes.length, MAX_RAW_BYTES));
  const plain = plainText(raw).trimEnd();
  const prefix = PREFIX.exec(plain);
  const text = (prefix ? plain.slice(prefix[0].length) : plain).slice(0, MAX_LINE_CHARS);
  return text.trim() === '' ? [] : [{ text, process: prefix?.[1] ?? null }];
}
