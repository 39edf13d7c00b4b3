import type { Call } from '../core/call.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from '../core/reply.ts';
import type { FrameBatch, UpstreamExchange, UpstreamFailure, UpstreamHead, UpstreamListener, UpstreamRequest } from '../core/transport.ts';
import type { Worker } from '../core/worker.ts';
import { errorEvent } from '../openai/error-body.ts';
import { EventCutter } from '../openai/event-cutter.ts';
import { lookAt, readEvent } from '../openai/stream-watch.ts';
import { findFinishReason, findUsage } from '../openai/usage.ts';
import { fromWorkerError } from '../openai/worker-error.ts';

export interface RelaySettings {
  readonly first_token_ms: number;
  readonly idle_ms: number;
  /** Silence after which a comment tells the client that we are still there; 0 = never. */
  readonly keep_alive_ms: number;
}

/** How an exchange with a worker ended, for its breaker. */
export type Verdict =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly reason: string }
  /** Says nothing about the worker: the client left, time was over, or it was merely busy. */
  | { readonly kind: 'neutral' };

/** What the caller of an attempt hears besides its result. */
export interface AttemptObserver {
  onFirstByte(): void;
  /** Once, when the worker is done with us. */
  onSettled(verdict: Verdict): void;
}

export type Attempt =
  | { readonly kind: 'replied'; readonly reply: Reply }
  /** No byte has gone to the client: another worker may be asked. */
  | { readonly kind: 'failed'; readonly error: GatewayError; readonly cause: FailureCause };

/** unsent: the worker never had it · stale: a kept connection was gone · died: it broke off · busy · failed: it answered with a failure · final: no other worker would do better */
export type FailureCause = 'unsent' | 'stale' | 'died' | 'busy' | 'failed' | 'final';

/** Answers up to this size are looked at whole; longer ones are passed on as they come. */
const WHOLE_BYTES = 1_048_576;
const MAX_ERROR_BYTES = 65_536;
/** How long a worker may take to close a stream whose last event we have. */
const TRAILING_MS = 1_000;
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');

type State =
  /** Nothing of the answer has been passed on. */
  | 'waiting'
  /** The head is out, the body goes to the sink as it comes. */
  | 'passing'
  /** The client's side is finished; the worker's last bytes are still to come. */
  | 'trailing'
  | 'over';

/** Asks one worker once and passes its answer on. Resolves when the first byte is there (or the whole of a short answer), or it failed. */
export function relay(call: Call, worker: Worker, request: UpstreamRequest, clock: Clock, settings: RelaySettings, observer: AttemptObserver): Promise<Attempt> {
  return new Promise((resolve) => {
    new Relay(call, worker, clock, settings, observer, resolve).start(request);
  });
}

class Relay implements UpstreamListener {
  readonly #call: Call;
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #settings: RelaySettings;
  readonly #observer: AttemptObserver;
  readonly #resolve: (attempt: Attempt) => void;
  #state: State = 'waiting';
  #exchange!: UpstreamExchange;
  #offCancel: (() => void) | null = null;
  #timer: Timer | null = null;
  #head: UpstreamHead | null = null;
  #sink: Sink | null = null;
  /** What came before the sink was there. */
  #early: (() => void)[] = [];
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** The last reads, in which the usage is looked for at the end. */
  #tail: Buffer[] = [];
  #cutter: EventCutter | null = null;
  #broken: GatewayError | null = null;
  #settled = false;
  #finished = false;
  #ended = false;
  #paused = false;
  #sentAt: number;
  /** When the worker, or we in its place, last wrote something. */
  #lastAt: number;
  #spokeAt: number;

  constructor(call: Call, worker: Worker, clock: Clock, settings: RelaySettings, observer: AttemptObserver, resolve: (attempt: Attempt) => void) {
    this.#call = call;
    this.#worker = worker;
    this.#clock = clock;
    this.#settings = settings;
    this.#observer = observer;
    this.#resolve = resolve;
    this.#sentAt = this.#lastAt = this.#spokeAt = clock.now();
  }

  start(request: UpstreamRequest): void {
    this.#exchange = this.#worker.transport.exchange(request, this);
    // A cancelled call, or a failure at once, may have ended it already.
    if (this.#state === 'over') return this.#abort();
    const offCancel = this.#call.cancellation.onCancel((reason) => this.#onCancelled(reason));
    if ((this.#state as State) === 'over') return;
    this.#offCancel = offCancel;
    if (this.#call.peek.stream) this.#watch();
  }

  // === what the worker says ===

  onSent(): void {
    this.#sentAt = this.#lastAt = this.#spokeAt = this.#clock.now();
    this.#call.journey.sentAt = this.#sentAt;
  }

  onHead(head: UpstreamHead): void {
    this.#head = head;
    if (head.status !== 200) return;
    if (!expected(head.contentType, this.#call)) {
      this.#fail(new GatewayError('upstream_error', 'The worker sent something that is not an answer to the request.'), 'failed', 'unexpected_content');
    }
  }

  onFrames(batch: FrameBatch): void {
    if (this.#state === 'over' || this.#state === 'trailing') return;
    const { journey } = this.#call;
    this.#lastAt = this.#spokeAt = this.#clock.now();
    if (this.#head!.status !== 200) {
      for (let i = 0; i < batch.count; i++) this.#collect(Buffer.from(batch.bytes.subarray(batch.starts[i], batch.ends[i])));
      return;
    }
    if (journey.firstByteAt === null) {
      journey.firstByteAt = this.#lastAt;
      this.#observer.onFirstByte();
    }
    journey.chunks += batch.count;
    this.#remember(batch.bytes);
    if (this.#cutter === null && lookAt(batch) === 'plain') {
      if (this.#state === 'waiting') this.#pass();
      this.#writeFrames(batch);
    } else this.#onSpecial(batch);
  }

  onData(bytes: Buffer): void {
    if (this.#state === 'over' || this.#state === 'trailing') return;
    const { journey } = this.#call;
    this.#lastAt = this.#spokeAt = this.#clock.now();
    if (this.#head!.status === 200 && journey.firstByteAt === null) {
      journey.firstByteAt = this.#lastAt;
      this.#observer.onFirstByte();
    }
    if (this.#state === 'waiting') {
      this.#collect(bytes);
      return;
    }
    this.#remember(bytes);
    this.#write(bytes);
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#state === 'over') return;
    if (this.#state === 'trailing') return this.#over();
    if (this.#state === 'waiting') return this.#onWhole();
    this.#call.journey.lastByteAt = this.#clock.now();
    const { journey, route } = this.#call;
    if (this.#isEventStream() && route.streamEnd === 'done-event' && journey.finishReason === null) {
      return this.#break(new GatewayError('upstream_disconnected', 'The worker ended the stream before it was complete.'), { kind: 'failure', reason: 'incomplete' });
    }
    this.#readTail();
    this.#settle({ kind: 'success' });
    this.#finish();
    this.#over();
  }

  onFailed(failure: UpstreamFailure): void {
    this.#ended = true;
    if (this.#state === 'over') return;
    if (this.#state === 'trailing') return this.#over();
    const reason = failure.kind === 'connect' ? 'connect' : failure.kind === 'nonsense' ? 'nonsense' : 'disconnected';
    if (this.#state === 'waiting') {
      const cause: FailureCause = failure.kind === 'connect' ? 'unsent' : failure.kind === 'stale' ? 'stale' : failure.kind === 'died' ? 'died' : 'failed';
      return this.#fail(failure.error, cause, reason);
    }
    this.#break(new GatewayError('upstream_disconnected', 'The worker stopped in the middle of the answer.', { cause: failure.error }), { kind: 'failure', reason });
  }

  // === whole answers ===

  #collect(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    if (this.#head!.status !== 200) {
      if (this.#pieceBytes > MAX_ERROR_BYTES) this.#onWhole();
      return;
    }
    if (this.#pieceBytes <= WHOLE_BYTES) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pass();
    for (const piece of pieces) {
      this.#remember(piece);
      this.#write(piece);
    }
  }

  #onWhole(): void {
    const call = this.#call;
    const head = this.#head!;
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    call.journey.lastByteAt = this.#clock.now();
    if (head.status !== 200) return this.#onErrorAnswer(head.status, body);
    if (this.#isEventStream()) {
      return this.#fail(new GatewayError('upstream_disconnected', 'The worker ended the stream before its first event.'), 'failed', 'incomplete');
    }
    if (head.contentType.includes('json') && !looksLikeJson(body)) {
      return this.#fail(new GatewayError('upstream_error', 'The worker’s answer is not complete JSON.'), 'failed', 'bad_json');
    }
    const { journey } = call;
    journey.firstByteAt ??= journey.lastByteAt;
    journey.finishReason = findFinishReason(body);
    if (journey.finishReason === 'abort') {
      return this.#fail(new GatewayError('upstream_error', 'The worker gave the request up.'), 'failed', 'aborted');
    }
    this.#countUsage(body);
    journey.bytesOut += body.length;
    this.#settle({ kind: 'success' });
    this.#over();
    const outcome: Outcome = { kind: 'complete', status: 200 };
    this.#resolve({
      kind: 'replied',
      reply: {
        status: 200,
        headers: { 'content-type': head.contentType || 'application/json' },
        body: { kind: 'bytes', bytes: body },
        relayed: true,
        ended: new Ending(),
        outcome: () => outcome,
      },
    });
  }

  #onErrorAnswer(status: number, body: Buffer): void {
    const error = fromWorkerError(status, body.toString('utf8'), this.#call.route.path);
    if (error.kind === 'worker_busy') return this.#fail(error, 'busy', null);
    if (error.row.origin === 'client') return this.#fail(error, 'final', null);
    return this.#fail(error, 'failed', `status_${status}`);
  }

  // === streams ===

  /** Opens the client's side. From here on nothing is retried. */
  #pass(): void {
    this.#state = 'passing';
    const head = this.#head!;
    const stream = this.#isEventStream();
    const headers: Record<string, string> = { 'content-type': head.contentType };
    if (stream) {
      headers['cache-control'] = 'no-cache';
      headers['x-accel-buffering'] = 'no';
    } else if (head.contentLength !== null) headers['content-length'] = String(head.contentLength);
    this.#resolve({
      kind: 'replied',
      reply: {
        status: 200,
        headers,
        body: { kind: 'pushed', start: (sink) => this.#start(sink) },
        relayed: true,
        ended: new Ending(),
        outcome: () => (this.#broken ? { kind: 'broken', error: this.#broken } : { kind: 'complete', status: 200 }),
      },
    });
  }

  #start(sink: Sink): void {
    this.#sink = sink;
    const early = this.#early;
    this.#early = [];
    for (const write of early) write();
  }

  /** The rare reads: the last ones of a stream, an error, or events that are cut across chunks. */
  #onSpecial(batch: FrameBatch): void {
    const cutter = (this.#cutter ??= new EventCutter());
    const events = cutter.cut(batch);
    if (events === 'too_long') {
      return this.#end(new GatewayError('upstream_error', 'The worker sent an event that is too long.'), 'nonsense');
    }
    if (cutter.empty) this.#cutter = null;
    for (const event of events) {
      const seen = readEvent(event.toString('utf8'));
      switch (seen.kind) {
        case 'error':
          return this.#end(new GatewayError('upstream_error', 'The worker failed while it answered.', { cause: new Error(seen.message) }), 'error_event');
        case 'aborted':
          return this.#end(new GatewayError('upstream_error', 'The worker gave the request up while it answered.'), 'aborted');
        case 'finish':
          this.#call.journey.finishReason = seen.reason;
          break;
        case 'text':
        case 'done':
          break;
      }
      if (this.#state === 'waiting') this.#pass();
      this.#write(event);
      if (seen.kind === 'done') return this.#onDone();
    }
  }

  /** A failure that the worker told in its stream: before the first byte another worker may do better. */
  #end(error: GatewayError, reason: string): void {
    if (this.#state === 'waiting') this.#fail(error, 'failed', reason);
    else this.#break(error, { kind: 'failure', reason });
  }

  #onDone(): void {
    this.#call.journey.lastByteAt = this.#clock.now();
    this.#call.journey.finishReason ??= 'unknown';
    this.#readTail();
    this.#settle({ kind: 'success' });
    this.#state = 'trailing';
    this.#finish();
    // The end of the chunked body is usually in the same read; if it does not come, the connection is not worth keeping.
    this.#timer?.cancel();
    this.#timer = this.#clock.after(TRAILING_MS, () => {
      this.#abort();
      this.#over();
    });
  }

  // === the client's side ===

  #writeFrames(batch: FrameBatch): void {
    const { journey } = this.#call;
    for (let i = 0; i < batch.count; i++) journey.bytesOut += batch.ends[i]! - batch.starts[i]!;
    if (this.#sink === null) {
      const copy: FrameBatch = { ...batch, starts: batch.starts.slice(0, batch.count), ends: batch.ends.slice(0, batch.count) };
      this.#early.push(() => this.#flow(this.#sink!.writeFrames(copy)));
    } else this.#flow(this.#sink.writeFrames(batch));
  }

  #write(payload: Buffer): void {
    this.#call.journey.bytesOut += payload.length;
    if (this.#sink === null) this.#early.push(() => this.#flow(this.#sink!.write(payload)));
    else this.#flow(this.#sink.write(payload));
  }

  /** A slow reader holds back its own worker's stream, and nobody else's. */
  #flow(more: boolean): void {
    if (more || this.#paused || this.#state !== 'passing') return;
    this.#paused = true;
    this.#spokeAt = this.#clock.now();
    this.#exchange.pause();
    this.#watch();
    this.#sink!.onDrain(() => {
      this.#paused = false;
      this.#lastAt = this.#spokeAt = this.#clock.now();
      if (this.#state === 'passing') this.#exchange.resume();
    });
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#sink === null) this.#early.push(() => this.#sink!.end());
    else this.#sink.end();
  }

  // === ways to end ===

  /** Before the first byte: the caller decides what comes next. */
  #fail(error: GatewayError, cause: FailureCause, breakerReason: string | null): void {
    this.#abort();
    this.#settle(breakerReason === null ? { kind: 'neutral' } : { kind: 'failure', reason: breakerReason });
    this.#over();
    this.#resolve({ kind: 'failed', error, cause });
  }

  /** After it: the stream ends with an error event, never silently and never with [DONE]. */
  #break(error: GatewayError, verdict: Verdict): void {
    this.#abort();
    this.#broken = error;
    this.#call.journey.lastByteAt ??= this.#clock.now();
    this.#readTail();
    this.#settle(verdict);
    if (this.#isEventStream()) {
      this.#write(Buffer.from(errorEvent(error, this.#call.route.dialect)));
      this.#finish();
    } else if (this.#sink === null) this.#early.push(() => this.#sink!.destroy());
    else this.#sink.destroy();
    this.#over();
  }

  #onCancelled(reason: GatewayError): void {
    if (this.#state === 'over') return;
    if (this.#state === 'waiting') return this.#fail(reason, 'final', null);
    if (this.#state === 'trailing' || reason.kind === 'client_disconnected') {
      this.#abort();
      this.#settle({ kind: 'neutral' });
      return this.#over();
    }
    this.#break(reason, { kind: 'neutral' });
  }

  /** Only while the exchange is ours: a connection that has ended one serves the next. */
  #abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#exchange.abort();
  }

  #settle(verdict: Verdict): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#observer.onSettled(verdict);
  }

  #over(): void {
    this.#state = 'over';
    this.#timer?.cancel();
    this.#timer = null;
    this.#offCancel?.();
    this.#offCancel = null;
  }

  // === time ===

  /** Arms one timer for whichever limit comes first; it looks again when it fires, so that a token need not touch it. */
  #watch(): void {
    this.#timer?.cancel();
    const now = this.#clock.now();
    this.#timer = this.#clock.after(Math.max(1, this.#dueAt() - now), () => this.#onDue());
  }

  #dueAt(): number {
    const { first_token_ms, idle_ms, keep_alive_ms } = this.#settings;
    const silence = this.#call.journey.firstByteAt === null && !this.#paused ? this.#sentAt + first_token_ms : this.#lastAt + idle_ms;
    const comment = keep_alive_ms > 0 && !this.#paused && this.#call.peek.stream ? this.#spokeAt + keep_alive_ms : Infinity;
    return Math.min(silence, comment);
  }

  #onDue(): void {
    if (this.#state !== 'waiting' && this.#state !== 'passing') return;
    const now = this.#clock.now();
    const { first_token_ms, idle_ms, keep_alive_ms } = this.#settings;
    if (this.#paused) {
      if (now - this.#lastAt >= idle_ms) {
        // The client has not read for as long as a worker may be silent.
        this.#abort();
        this.#settle({ kind: 'neutral' });
        this.#over();
        this.#sink?.destroy();
        return;
      }
    } else if (this.#call.journey.firstByteAt === null) {
      if (now - this.#sentAt >= first_token_ms) {
        return this.#timedOut(`The worker sent no token within ${first_token_ms} ms.`, 'first_token_timeout');
      }
    } else if (now - this.#lastAt >= idle_ms) {
      return this.#timedOut(`The worker sent nothing for ${idle_ms} ms.`, 'idle_timeout');
    }
    if (keep_alive_ms > 0 && !this.#paused && this.#call.peek.stream && now - this.#spokeAt >= keep_alive_ms) {
      this.#spokeAt = now;
      // Without the worker's head there is nothing to say yet: it may still answer with an error.
      if (this.#head?.status === 200) {
        if (this.#state === 'waiting') this.#pass();
        this.#write(KEEP_ALIVE);
      }
    }
    this.#watch();
  }

  #timedOut(message: string, reason: string): void {
    const error = new GatewayError('upstream_timeout', message);
    if (this.#state === 'waiting') this.#fail(error, 'failed', reason);
    else this.#break(error, { kind: 'failure', reason });
  }

  // === the books ===

  #isEventStream(): boolean {
    return this.#head !== null && this.#head.contentType.startsWith('text/event-stream');
  }

  #remember(bytes: Buffer): void {
    if (this.#tail.length === 3) this.#tail.shift();
    this.#tail.push(bytes);
  }

  #readTail(): void {
    for (let i = this.#tail.length - 1; i >= 0; i--) if (this.#countUsage(this.#tail[i]!)) return;
  }

  #countUsage(bytes: Buffer): boolean {
    const usage = findUsage(bytes);
    if (!usage) return false;
    const { journey } = this.#call;
    journey.inputTokens = usage.inputTokens;
    journey.outputTokens = usage.outputTokens;
    journey.cachedTokens = usage.cachedTokens;
    return true;
  }
}

/** Whether a 200 with this content type can be an answer to the call. */
function expected(contentType: string, call: Call): boolean {
  const type = contentType.toLowerCase();
  if (type.startsWith('text/html')) return false;
  if (call.peek.stream) return type.startsWith('text/event-stream');
  return call.route.body === 'multipart' || type.startsWith('application/');
}

/** A cheap look at both ends; parsing a long answer to be sure would cost more than the rest of its way. */
function looksLikeJson(body: Buffer): boolean {
  let start = 0;
  let end = body.length - 1;
  while (start < end && isSpace(body[start]!)) start++;
  while (end > start && isSpace(body[end]!)) end--;
  const open = body[start];
  const close = body[end];
  return (open === 0x7b && close === 0x7d) || (open === 0x5b && close === 0x5d);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
