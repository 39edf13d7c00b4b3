import type { Dispatcher } from 'undici';
import type { CallPlan, CallRecord, Outcome } from './call-record.ts';
import { errorCodeOf, EventReader, factsOf, type Usage, usageOf } from './events.ts';

interface CallTerms {
  readonly plan: CallPlan;
  readonly stream: boolean;
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** An answer in one piece is read up to here; a longer one is no answer of a model. */
const MOST_BYTES = 64 * 1024 * 1024;

/** One call from its sending to its end, as undici tells of it. */
export class Call implements Dispatcher.DispatchHandler {
  readonly #terms: CallTerms;
  readonly #onEnd: (record: CallRecord) => void;
  readonly #sentMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #tokensAt: number[] = [];
  #controller: Dispatcher.DispatchController | null = null;
  #reader: EventReader | null = null;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #headMs = NaN;
  #status = 0;
  #worker: string | null = null;
  #queueMs = NaN;
  #windowMs = NaN;
  #usage: Usage | null = null;
  #isDone = false;
  #error: string | null = null;
  #hasEnded = false;

  constructor(terms: CallTerms, onEnd: (record: CallRecord) => void) {
    this.#terms = terms;
    this.#onEnd = onEnd;
    this.#sentMs = terms.now();
    this.#timer = setTimeout(() => this.end('timeout', 'timeout'), terms.timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#hasEnded) controller.abort(new Error('it has ended'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    this.#headMs = this.#terms.now();
    this.#status = status;
    const worker = headers['x-headgate-worker'];
    this.#worker = typeof worker === 'string' ? worker : null;
    this.#queueMs = Number(headers['x-headgate-queue-ms'] ?? NaN);
    this.#windowMs = Number(headers['x-headgate-window-ms'] ?? NaN);
    if (status === 200 && String(headers['content-type'] ?? '').includes('event-stream')) this.#reader = new EventReader();
  }

  onResponseData(_controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#hasEnded) return;
    if (this.#reader === null) {
      this.#bytes += bytes.length;
      if (this.#bytes > MOST_BYTES) return this.end('broken', 'too_large');
      this.#pieces.push(bytes);
      return;
    }
    const now = this.#terms.now();
    for (const data of this.#reader.take(bytes)) {
      const facts = factsOf(data);
      if (facts.hasChoice) this.#tokensAt.push(now);
      this.#usage = facts.usage ?? this.#usage;
      this.#isDone ||= facts.isDone;
      this.#error ??= facts.error;
    }
    const { cancelAfter } = this.#terms.plan;
    if (cancelAfter !== null && !this.#isDone && this.#tokensAt.length >= cancelAfter) this.end('cancelled', null);
  }

  onResponseEnd(): void {
    if (this.#reader !== null) {
      if (this.#error !== null) return this.end('broken', this.#error);
      if (!this.#isDone) return this.end('broken', 'no_end');
      // As vllm bench serve has it: there is no time to a first token that never came.
      return this.#tokensAt.length === 0 ? this.end('broken', 'no_token') : this.end('ok', null);
    }
    const body = this.#body();
    if (this.#status !== 200) return this.end(this.#status === 429 || this.#status === 503 ? 'refused' : 'failed', errorCodeOf(body));
    if (this.#terms.stream) return this.end('broken', 'no_stream');
    this.#usage = usageOf(body);
    this.end(body === null ? 'broken' : 'ok', body === null ? 'no_json' : null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    this.end(this.#status === 200 ? 'broken' : 'failed', code);
  }

  /** Once; what comes afterwards changes nothing. */
  end(outcome: Outcome, code: string | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    const endMs = this.#terms.now();
    if (outcome === 'cancelled' || outcome === 'timeout' || outcome === 'unfinished' || code === 'too_large')
      this.#controller?.abort(new Error('the client has gone'));
    const tokensAt = this.#tokensAt;
    const { index, scheduledMs, heldMs } = this.#terms.plan;
    this.#onEnd({
      ...{ index, scheduledMs, sentMs: this.#sentMs, headMs: this.#headMs, endMs },
      ...(heldMs > 0 && { heldMs }),
      ...{ firstTokenMs: tokensAt[0] ?? NaN, lastTokenMs: tokensAt.at(-1) ?? NaN, tokensAt },
      ...{ outcome, status: this.#status, code, worker: this.#worker, queueMs: this.#queueMs, windowMs: this.#windowMs },
      inputTokens: this.#usage?.inputTokens ?? 0,
      // Where nobody told the count (it was broken off, or the server does not tell) its events are the nearest there is: as many tokens or
      // fewer, for one event may bring several.
      outputTokens: this.#usage?.outputTokens ?? tokensAt.length,
      cachedTokens: this.#usage?.cachedTokens ?? 0,
    });
  }

  #body(): unknown {
    try {
      return JSON.parse(Buffer.concat(this.#pieces).toString('utf8'));
    } catch {
      return null;
    }
  }
}
