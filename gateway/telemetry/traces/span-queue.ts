import { type Clock, sleep, type Timer } from '../../core/clock.ts';
import type { FinishedSpan } from './finished-span.ts';

/** Spans that wait for their turn; more are lost. A span is about 2 KiB. */
const MOST_WAITING = 4_096;
/** Spans of one request: writing more of them at once would hold up streams. */
const BATCH = 128;
/** Requests on their way at once. */
const AT_ONCE = 4;
/** How long a span waits for others to go with. */
const PAUSE_MS = 2_000;

/** queue_full: they came faster than the collector took them · failed: it did not take them · rejected: it refused some of a request's · shutdown */
export type LossReason = 'queue_full' | 'failed' | 'rejected' | 'shutdown';

/** Whoever takes spans away. */
export interface SpanSender {
  /** @returns how many of them were refused @throws Error in words, when none arrived; within seconds */
  send(spans: FinishedSpan[]): Promise<number>;
  close(): void;
}

interface SpanQueueOptions {
  readonly clock: Clock;
  readonly sender: SpanSender;
  readonly onSent: (spans: number) => void;
  /** `words`: what the sender said, where it said something. */
  readonly onLost: (reason: LossReason, spans: number, words: string | null) => void;
}

/** Spans on their way to the collector: a few hundred at a time, never waited for, and no more in memory than that. */
export class SpanQueue {
  readonly #options: SpanQueueOptions;
  #waiting: FinishedSpan[] = [];
  #atOnce = 0;
  #underWay = 0;
  #timer: Timer | null = null;
  #isClosed = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
  }

  /** Whether so many more are taken. What is not taken is counted as lost. */
  hasRoomFor(spans: number): boolean {
    if (!this.#isClosed && this.#waiting.length + spans <= MOST_WAITING) return true;
    this.#options.onLost(this.#isClosed ? 'shutdown' : 'queue_full', spans, null);
    return false;
  }

  add(spans: readonly FinishedSpan[]): void {
    for (const span of spans) this.#waiting.push(span);
    if (this.#waiting.length >= BATCH) this.#sendFull();
    this.#sendSoon();
  }

  /** Sends what there is. What has not arrived after `limitMs` is lost. */
  async close(limitMs: number): Promise<void> {
    const { clock, sender, onLost } = this.#options;
    this.#isClosed = true;
    this.#timer?.cancel();
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    this.#sendAll();
    if (this.#left > 0) await Promise.race([empty, sleep(clock, limitMs)]);
    const left = this.#left;
    this.#waiting = [];
    this.#underWay = 0;
    if (left > 0) onLost('shutdown', left, null);
    sender.close();
  }

  get #left(): number {
    return this.#waiting.length + this.#underWay;
  }

  #sendSoon(): void {
    if (this.#waiting.length === 0) return;
    this.#timer ??= this.#options.clock.after(PAUSE_MS, () => {
      this.#timer = null;
      this.#sendAll();
      // Those that found no way wait for the next time.
      this.#sendSoon();
    });
  }

  #sendFull(): void {
    while (this.#waiting.length >= BATCH && this.#atOnce < AT_ONCE) void this.#send();
  }

  #sendAll(): void {
    while (this.#waiting.length > 0 && this.#atOnce < AT_ONCE) void this.#send();
  }

  async #send(): Promise<void> {
    const { sender, onSent, onLost } = this.#options;
    const spans = this.#waiting.splice(0, BATCH);
    const { length } = spans;
    this.#atOnce++;
    this.#underWay += length;
    let rejected = 0;
    let failure: string | null = null;
    try {
      rejected = await sender.send(spans);
    } catch (error) {
      failure = (error as Error).message;
    }
    this.#atOnce--;
    // Those were given up meanwhile.
    if (this.#isClosed && this.#underWay === 0) return;
    this.#underWay -= length;
    if (failure !== null) onLost('failed', length, failure);
    else {
      if (rejected > 0) onLost('rejected', rejected, null);
      if (rejected < length) onSent(length - rejected);
    }
    if (this.#isClosed) this.#sendAll();
    else this.#sendFull();
    if (this.#left === 0) this.#onEmpty?.();
  }
}
