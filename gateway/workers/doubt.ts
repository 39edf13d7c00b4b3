import type { Clock, Timer } from '../core/clock.ts';
import type { FrameBatch, UpstreamExchange, UpstreamHead, UpstreamListener } from '../core/transport.ts';
import type { Worker } from '../core/worker.ts';

/** How long an engine may stand still with calls of ours before it is asked for a token. */
const DOUBT_MS = 5_000;
/** The longest for one that has stood still before and made the token all the same. */
const MOST_DOUBT_MS = 60_000;
/** Several times as long as a first token takes where the engine works on something. */
const TOKEN_MS = 8_000;
/** Between the end of a question and the next. */
const AGAIN_MS = 5_000;

/**
 * What becomes of a worker's silence while its own counters stand still: it is asked for one token, and only where that does not come
 * either is `load.withheldAt` set, for others to leave it alone. It is asked on until its counters move or a token comes. Of a model that
 * makes no tokens, and of a worker that does not count, nothing is asked. For workers that no supervisor of ours asks. One of these each.
 */
export class Doubt implements UpstreamListener {
  readonly #clock: Clock;
  readonly #worker: Worker;
  /** Since when it has had calls and done nothing. */
  #stillSince: number;
  /** Questions that it answered, one after the other, without having been idle in between. */
  #cleared = 0;
  #askedAt = -Infinity;
  #exchange: UpstreamExchange | null = null;
  #timer: Timer | null = null;
  #status = 0;
  /** Its model makes no tokens, or it lets nobody ask for one. */
  #untestable = false;

  constructor(clock: Clock, worker: Worker) {
    this.#clock = clock;
    this.#worker = worker;
    this.#stillSince = clock.now();
  }

  /** After each look at its counters. `moved`: they say more than at the look before. */
  looked(moved: boolean): void {
    const { load, inFlight } = this.#worker;
    const now = this.#clock.now();
    if (moved || load.work === null) {
      // Whatever becomes of our token: it works, and may have much to do before that.
      this.#giveUp();
      this.#clear();
      this.#stillSince = now;
      return;
    }
    if (inFlight === 0 && load.withheldAt === null) {
      this.#stillSince = now;
      this.#cleared = 0;
      return;
    }
    const patienceMs = Math.min(DOUBT_MS * 2 ** this.#cleared, MOST_DOUBT_MS);
    const isDoubtful = load.withheldAt !== null || now - this.#stillSince >= patienceMs;
    if (isDoubtful && now - this.#askedAt >= TOKEN_MS + AGAIN_MS && !this.#untestable) this.#ask(now);
  }

  close(): void {
    this.#giveUp();
    this.#clear();
  }

  #ask(now: number): void {
    this.#askedAt = now;
    this.#status = 0;
    const model = this.#worker.view.models[0]?.id;
    const body = Buffer.from(JSON.stringify({ model, prompt: 'Hello', max_tokens: 1, temperature: 0 }));
    const headers = { 'content-type': 'application/json' };
    this.#timer = this.#clock.after(TOKEN_MS, () => this.#onWithheld());
    const request = { method: 'POST', path: '/v1/completions', headers, body: { bytes: body } } as const;
    const exchange = this.#worker.transport.exchange(request, this);
    if (this.#timer !== null) this.#exchange = exchange;
  }

  onSent(): void {}

  onHead({ status }: UpstreamHead): void {
    this.#status = status;
  }

  onFrames(_batch: FrameBatch): void {}

  onData(_bytes: Buffer): void {}

  onEnd(): void {
    this.#end();
    // A refusal is no sign that the engine works, nor that it does not.
    if (this.#status !== 200) {
      this.#untestable = this.#status >= 400 && this.#status < 500 && this.#status !== 429;
      return;
    }
    this.#cleared += 1;
    this.#stillSince = this.#clock.now();
    this.#clear();
  }

  /** What is the matter with the way to it is seen by those who look and call. */
  onFailed(): void {
    this.#end();
  }

  #onWithheld(): void {
    this.#giveUp();
    const { load } = this.#worker;
    // Counters that could not be read meanwhile are no second witness.
    if (load.scrapedAt !== null && load.scrapedAt > this.#askedAt) load.withheldAt = this.#clock.now();
  }

  #giveUp(): void {
    this.#exchange?.abort();
    this.#end();
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#exchange = null;
  }

  #clear(): void {
    this.#worker.load.withheldAt = null;
  }
}
