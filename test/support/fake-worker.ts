import { GatewayError } from '../../gateway/core/errors.ts';
import type {
  FrameBatch,
  UpstreamExchange,
  UpstreamFailure,
  UpstreamHead,
  UpstreamListener,
  UpstreamRequest,
  WorkerTransport,
} from '../../gateway/core/transport.ts';
import type { Worker, WorkerLife, WorkerLoad, WorkerView } from '../../gateway/core/worker.ts';

export const MODEL = 'mistral-7b-instruct';

export function workerView(id: string, over: Partial<WorkerView> = {}): WorkerView {
  return {
    id,
    url: `http://${id}.test:8000`,
    models: [{ id: MODEL, root: null, parent: null, maxModelLen: null }],
    state: 'ready',
    stage: 'ready',
    maxNumSeqs: 16,
    pid: null,
    port: null,
    startedAtMs: null,
    restarts: 0,
    degradation: [],
    lastFailure: null,
    etaSeconds: null,
    profile: null,
    engine: 'vllm',
    args: [],
    ...over,
  };
}

/** A worker whose transport does nothing but what the test says, through its exchanges. */
export class FakeWorker implements Worker {
  readonly id: string;
  view: WorkerView;
  readonly load: WorkerLoad = {
    running: 0,
    waiting: 0,
    kvUsage: 0,
    kvCacheBytes: null,
    work: null,
    workedAt: null,
    movedAt: null,
    withheldAt: null,
    scrapedAt: null,
    bornAt: null,
    inFlightAtScrape: 0,
  };
  inFlight = 0;
  unanswered = 0;
  life: WorkerLife | null = { since: 0 };
  readonly transport = new FakeTransport();

  constructor(id: string, over: Partial<WorkerView> = {}) {
    this.id = id;
    this.view = workerView(id, over);
  }

  /** The exchange made last. @throws when there has been none */
  get last(): FakeExchange {
    const exchange = this.transport.exchanges.at(-1);
    if (!exchange) throw new Error(`nothing has been sent to ${this.id}`);
    return exchange;
  }
}

export class FakeTransport implements WorkerTransport {
  readonly exchanges: FakeExchange[] = [];
  /** Called as an exchange is made, before it is handed back: what a transport that fails at once does. */
  onExchange: ((exchange: FakeExchange) => void) | null = null;

  exchange(request: UpstreamRequest, listener: UpstreamListener): UpstreamExchange {
    const exchange = new FakeExchange(request, listener);
    this.exchanges.push(exchange);
    this.onExchange?.(exchange);
    return exchange;
  }

  /** What a page asked for by GET is answered with. */
  onGet: () => Promise<{ status: number; body: string }> = () => Promise.reject(new Error('not in this test'));

  get(): Promise<{ status: number; body: string }> {
    return this.onGet();
  }

  get openSockets(): number {
    return this.exchanges.filter((exchange) => !exchange.over).length;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Reused from batch to batch, as the real transport reuses its own: a listener that keeps it sees rubbish. */
const BATCH: FrameBatch = { bytes: Buffer.alloc(0), count: 0, starts: [], ends: [] };

/**
 * One exchange, told by the test. Keeps a transport's promises: nothing is told after its end, a failure or an abort, and nothing while it
 * is paused: that waits for `resume`, in order.
 */
export class FakeExchange implements UpstreamExchange {
  readonly request: UpstreamRequest;
  readonly #listener: UpstreamListener;
  readonly #held: (() => void)[] = [];
  paused = false;
  /** Times it was told to hold. */
  pauses = 0;
  aborted = false;
  /** Ended, failed or aborted. */
  over = false;
  sentOnce = false;
  headed = false;
  failure: UpstreamFailure['kind'] | null = null;
  /** Whether it was paused, resumed or aborted once it was over: its connection may have been another's by then. */
  touchedAfterEnd = false;
  /** The payload that the gateway has been given. */
  payload = '';

  constructor(request: UpstreamRequest, listener: UpstreamListener) {
    this.request = request;
    this.#listener = listener;
  }

  // === what the gateway does ===

  pause(): void {
    this.#touch();
    this.paused = true;
    this.pauses++;
  }

  resume(): void {
    this.#touch();
    this.paused = false;
    while (!this.paused && !this.over && this.#held.length > 0) this.#held.shift()!();
  }

  abort(): void {
    this.#touch();
    this.aborted = true;
    this.over = true;
    this.#held.length = 0;
  }

  // === what the worker does ===

  sent(): this {
    return this.#tell(() => {
      this.sentOnce = true;
      this.#listener.onSent();
    });
  }

  head(status = 200, contentType = 'text/event-stream; charset=utf-8', contentLength: number | null = null): this {
    const head: UpstreamHead = { status, contentType, contentLength };
    return this.#tell(() => {
      this.headed = true;
      this.#listener.onHead(head);
    });
  }

  /** One read of a chunked stream: each payload is a chunk. */
  frames(...payloads: string[]): this {
    return this.#tell(() => this.#onFrames(payloads));
  }

  /** One read that holds the end as well: it is heard though the gateway asks to pause in the middle of it. */
  lastFrames(...payloads: string[]): this {
    return this.#tell(() => {
      this.#onFrames(payloads);
      if (this.over) return;
      this.over = true;
      this.#listener.onEnd();
    });
  }

  data(text: string): this {
    return this.#tell(() => {
      this.payload += text;
      this.#listener.onData(Buffer.from(text));
    });
  }

  end(): this {
    return this.#tell(() => {
      this.over = true;
      this.#listener.onEnd();
    });
  }

  failed(kind: UpstreamFailure['kind'] = 'died'): this {
    return this.#tell(() => this.#fail(kind));
  }

  /** As `failed`, but heard even while paused: the socket was cut. */
  cut(kind: UpstreamFailure['kind'] = 'died'): this {
    if (!this.over) {
      this.#held.length = 0;
      this.#fail(kind);
    }
    return this;
  }

  /** sent, head and a whole JSON answer. */
  answer(status: number, body: unknown): this {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.sent().head(status, 'application/json', Buffer.byteLength(text)).data(text).end();
  }

  #touch(): void {
    this.touchedAfterEnd ||= this.over;
  }

  #onFrames(payloads: readonly string[]): void {
    this.payload += payloads.join('');
    fillBatch(BATCH, payloads);
    this.#listener.onFrames(BATCH);
    BATCH.bytes = Buffer.alloc(0);
    BATCH.count = 0;
    BATCH.starts.fill(-1);
    BATCH.ends.fill(-1);
  }

  #fail(kind: UpstreamFailure['kind']): void {
    this.over = true;
    this.failure = kind;
    const told = kind === 'short' ? 'queue_full' : 'upstream_disconnected';
    this.#listener.onFailed({ kind, error: new GatewayError(told, `The worker broke off (${kind}).`) });
  }

  #tell(event: () => void): this {
    if (this.over) return this;
    if (this.paused || this.#held.length > 0) {
      this.#held.push(() => {
        if (!this.over) event();
      });
    } else event();
    return this;
  }
}

/** Makes `batch` what a read of these chunks would be. */
export function fillBatch(batch: FrameBatch, payloads: readonly string[]): void {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const [i, payload] of payloads.entries()) {
    const data = Buffer.from(payload);
    const size = Buffer.from(`${data.length.toString(16)}\r\n`);
    pieces.push(size, data, Buffer.from('\r\n'));
    batch.starts[i] = at + size.length;
    batch.ends[i] = at + size.length + data.length;
    at = batch.ends[i]! + 2;
  }
  batch.bytes = Buffer.concat(pieces);
  batch.count = payloads.length;
}

// === a stream's events, as vLLM writes them ===

let serial = 0;

export function tokenEvent(text = ' a', model = MODEL): string {
  const id = `chatcmpl-${++serial}`;
  return `data: {"id":"${id}","object":"chat.completion.chunk","created":1,"model":"${model}","choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}]}\n\n`;
}

export function finishEvent(reason = 'stop'): string {
  return `data: {"id":"chatcmpl-${++serial}","object":"chat.completion.chunk","created":1,"model":"${MODEL}","choices":[{"index":0,"delta":{},"finish_reason":"${reason}"}]}\n\n`;
}

export const ERROR_EVENT =
  'data: {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": null, "code": 500}}\n\n';
export const DONE_EVENT = 'data: [DONE]\n\n';

/** A whole completion, as JSON text. */
export function completion(finishReason = 'stop'): string {
  return JSON.stringify({
    id: `chatcmpl-${++serial}`,
    object: 'chat.completion',
    model: MODEL,
    choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: finishReason }],
    usage: { prompt_tokens: 3, total_tokens: 5, completion_tokens: 2 },
  });
}
