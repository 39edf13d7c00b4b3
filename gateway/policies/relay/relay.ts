import type { Attempt, FailureCause, Verdict } from '../../core/attempt.ts';
import type { Call } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { Ending } from '../../core/reply.ts';
import type {
  FrameBatch,
  UpstreamExchange,
  UpstreamFailure,
  UpstreamHead,
  UpstreamListener,
  UpstreamRequest,
} from '../../core/transport.ts';
import type { Worker } from '../../core/worker.ts';
import { type Expected, isExpectedType } from '../../openai/answer-check.ts';
import { errorEvent } from '../../openai/error-body.ts';
import { adapterOf } from '../../engines/adapters.ts';
import type { ErrorReader } from '../../engines/adapter.ts';
import { lacksModel } from '../../engines/lacks-model.ts';
import type { AttemptObserver, AttemptResult, Underway } from './attempt-result.ts';
import { ClientBody, type Flow } from './client-body.ts';
import { SilenceWatch, type SilenceListener, type SilenceSettings } from './silence-watch.ts';
import { StreamReader, type SeenEvent } from './stream-reader.ts';
import { textEvents } from './text-events.ts';
import { UsageAsked } from './usage-asked.ts';
import { UsageTail } from './usage-tail.ts';
import { judgeWhole, stopping, unserved, wholeReply } from './whole-answer.ts';

export type RelaySettings = SilenceSettings;

/** Answers up to this size are looked at whole; longer ones are passed on as they come. */
const WHOLE_BYTES = 1_048_576;
const MAX_ERROR_BYTES = 65_536;
/** How long a worker may take to close a stream whose last event we have. */
const TRAILING_MS = 1_000;
const MAX_SAID_CHARS = 500;
/** How long a worker that broke a stream off is asked whether it is well: as long as the client waits for what is said of it. */
const HEALTH_MS = 2_000;
const BROKEN_OFF =
  'The worker broke the stream off before any output, and is well. It does so where it cannot use the schema, grammar or another constraint of the request, and where it has no room for it; without `stream` it says which.';
const STUCK_ADVICE = ' Retry, or raise the limit if its tokens take that long.';
const NEUTRAL: Verdict = { kind: 'neutral' };
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');
const END_OF_EVENT = Buffer.from('\n\n');

type State =
  /** Nothing of the answer has been passed on. */
  | 'waiting'
  /** The head is out, the body goes to the client as it comes. */
  | 'passing'
  /** The client's side is finished; the worker's last bytes are still to come. */
  | 'trailing'
  | 'over';

/**
 * Asks one worker once and passes its answer on, writing into `attempt` how far it has come. Resolves when the first byte is there (or the
 * whole of a short answer), or when it has failed.
 */
export function relay(
  call: Call,
  attempt: Attempt,
  worker: Worker,
  request: UpstreamRequest,
  clock: Clock,
  settings: RelaySettings,
  observer: AttemptObserver,
): Promise<AttemptResult> {
  return new Promise((resolve) => {
    const usageAsked = call.body.usageAsked === true && adapterOf(worker.view).asksUsage;
    new Relay(call, attempt, clock, settings, observer, resolve, usageAsked).start(worker, request);
  });
}

/** A client may ask for a stream where there is none to be had. */
function expectedOf({ peek, route }: Call): Expected {
  if (!peek.stream) return route.body === 'json' ? 'json' : 'any';
  return route.streamEnd === 'end-of-body' ? 'stream-or-json' : 'stream';
}

class Relay implements UpstreamListener, SilenceListener, Underway, Flow {
  readonly #call: Call;
  readonly #attempt: Attempt;
  readonly #clock: Clock;
  readonly #settings: RelaySettings;
  readonly #observer: AttemptObserver;
  readonly #resolve: (result: AttemptResult) => void;
  /** The client's end, once something is passed on as it comes. */
  #opened: ClientBody | null = null;
  readonly #tail: UsageTail;
  readonly #silence: SilenceWatch;
  #state: State = 'waiting';
  #worker: Worker | null = null;
  #exchange: UpstreamExchange | null = null;
  #offCancel: (() => void) | null = null;
  #trailing: Timer | null = null;
  #head: UpstreamHead | null = null;
  /** A short answer, until it is whole. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  readonly #reader: StreamReader;
  /** Where we asked for the usage and the client did not. */
  readonly #usage: UsageAsked | null;
  #broken: GatewayError | null = null;
  /** Events of the stream that say how it ended. */
  #closing = 0;

  constructor(
    call: Call,
    attempt: Attempt,
    clock: Clock,
    settings: RelaySettings,
    observer: AttemptObserver,
    resolve: (result: AttemptResult) => void,
    usageAsked: boolean,
  ) {
    this.#call = call;
    this.#attempt = attempt;
    this.#clock = clock;
    this.#settings = settings;
    this.#observer = observer;
    this.#resolve = resolve;
    this.#tail = new UsageTail(call.route);
    this.#reader = new StreamReader(call.route, usageAsked ? call.peek.choices : Infinity);
    this.#usage = usageAsked ? new UsageAsked(attempt.life) : null;
    this.#silence = new SilenceWatch(clock, settings, this);
  }

  start(worker: Worker, request: UpstreamRequest): void {
    this.#worker = worker;
    const exchange = worker.transport.exchange(request, this);
    if (this.#state === 'over') return;
    this.#exchange = exchange;
    const offCancel = this.#call.cancellation.onCancel((reason) => this.#onCancelled(reason));
    // An earlier cancellation is heard at once.
    if (this.#isOver()) return;
    this.#offCancel = offCancel;
    this.#observer.onBegun(this);
    if (this.#call.peek.stream) this.#silence.start();
  }

  // === what the worker says ===

  onSent(): void {
    const now = this.#clock.now();
    this.#attempt.sentAt = now;
    this.#observer.onSent();
    this.#silence.sent(now);
  }

  onHead(head: UpstreamHead): void {
    this.#head = head;
    if (head.status === 200 && !isExpectedType(head.contentType, expectedOf(this.#call))) {
      const error = new GatewayError('upstream_error', 'The worker sent something that is not an answer to the request.');
      this.#fail(error, 'failed', { kind: 'failure', reason: 'unexpected_content', doubtful: true });
    }
  }

  onFrames(batch: FrameBatch): void {
    if (this.#state === 'over' || this.#state === 'trailing') return;
    if (this.#head!.status !== 200) {
      for (let i = 0; i < batch.count; i++) this.#collect(batch.bytes.subarray(batch.starts[i], batch.ends[i]));
      return;
    }
    this.#tail.add(batch.bytes);
    this.#heard();
    this.#attempt.chunks += batch.count;
    const seen = this.#reader.read(batch);
    if (seen === 'plain') {
      if (this.#state === 'waiting') this.#pass();
      this.#body.writeFrames(batch);
    } else this.#onEvents(seen);
  }

  onData(bytes: Buffer): void {
    if (this.#state === 'over' || this.#state === 'trailing') return;
    if (this.#head!.status === 200) {
      this.#heard();
      if (this.#isEventStream()) return this.#onUnframed(bytes);
    }
    if (this.#state === 'waiting') this.#collect(bytes);
    else {
      this.#tail.add(bytes);
      this.#body.write(bytes);
    }
  }

  onEnd(): void {
    // The connection may serve another call from here on.
    this.#exchange = null;
    if (this.#state === 'over') return;
    if (this.#state === 'trailing') return this.#over();
    if (this.#state === 'waiting') return this.#onWhole();
    const { route, peek } = this.#call;
    if (this.#isEventStream() && !this.#reader.isComplete(route.streamEnd, peek.choices)) {
      const error = new GatewayError('upstream_disconnected', 'The worker ended the stream before it was complete.');
      return this.#break(error, { kind: 'failure', reason: 'incomplete', doubtful: true });
    }
    this.#close({ kind: 'success' });
    this.#writeHeld();
    this.#body.finish();
    this.#over();
  }

  onFailed({ kind, error }: UpstreamFailure): void {
    this.#exchange = null;
    if (this.#state === 'over') return;
    if (this.#state === 'trailing') return this.#over();
    if (kind === 'died' && this.#mayBeRefusal()) return void this.#onCut(error);
    this.#onCutOff(kind, error);
  }

  #onCutOff(kind: UpstreamFailure['kind'], error: GatewayError): void {
    if (this.#state === 'waiting') {
      const cause = ({ short: 'final', connect: 'unsent', stale: 'stale', died: 'died', nonsense: 'failed' } as const)[kind];
      // A kept connection that is gone says nothing about the worker, which may close one whenever it likes; nor does what we lack.
      if (kind === 'stale' || kind === 'short') return this.#fail(error, cause, NEUTRAL);
      // Who cannot be reached is not well. Whoever breaks off may have met what one request alone brings about.
      return this.#fail(
        error,
        cause,
        kind === 'connect' ? { kind: 'failure', reason: kind } : { kind: 'failure', reason: kind, doubtful: true },
      );
    }
    if (kind === 'died') this.#observer.onDied(false);
    const told = new GatewayError('upstream_disconnected', 'The worker stopped in the middle of the answer.', { cause: error });
    this.#break(told, { kind: 'failure', reason: kind, doubtful: true });
  }

  /** Before any output: a worker that is well has refused the request so; otherwise it has died. */
  async #onCut(error: GatewayError): Promise<void> {
    const isWell = await this.#worker!.transport.get(adapterOf(this.#worker!.view).health.path, HEALTH_MS).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (this.#isOver()) return;
    if (!isWell) return this.#onCutOff('died', error);
    const refused = new GatewayError('invalid_value', BROKEN_OFF, { cause: error });
    this.#observer.onBrokenOff();
    if (this.#state === 'waiting') this.#fail(refused, 'final', NEUTRAL);
    else this.#break(refused, NEUTRAL);
  }

  /** vLLM has no error event on `/v1/responses`: where it cannot compile a schema it breaks off after `response.in_progress`, and at once where what it keeps was not made as a stream. */
  #mayBeRefusal(): boolean {
    const { dialect, stored } = this.#call.route;
    return (dialect === 'responses' || stored !== undefined) && this.#isEventStream() && this.#tail.isBeforeOutput;
  }

  #heard(): void {
    const now = this.#clock.now();
    this.#silence.heard(now);
    this.#attempt.heardAt = now;
    if (this.#attempt.firstByteAt !== null) return;
    this.#attempt.firstByteAt = now;
    this.#attempt.answerId = this.#tail.answerId;
    this.#observer.onFirstByte();
  }

  // === short answers ===

  #collect(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    if (this.#head!.status !== 200) {
      if (this.#pieceBytes > MAX_ERROR_BYTES) this.#onWhole();
    } else if (this.#pieceBytes > WHOLE_BYTES) {
      const pieces = this.#pieces;
      this.#pieces = [];
      this.#pass();
      for (const piece of pieces) this.#body.write(piece);
    }
  }

  #onWhole(): void {
    const head = this.#head!;
    const { journey, route } = this.#call;
    const body = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const { askedAs } = this.#attempt;
    // One model more or less says nothing about how the worker is with others: its breaker is not told.
    if (askedAs !== null && lacksModel(head.status, body, askedAs, this.#worker?.view.gateway != null))
      return this.#fail(unserved(this.#call.model, head.status), 'unserved', NEUTRAL);
    const judged = judgeWhole(head, body, route, this.#errors);
    if (judged.kind === 'bad') return this.#fail(judged.error, judged.cause, judged.verdict);
    this.#attempt.finishReason = judged.finishReason;
    journey.bytesOut += body.length;
    this.#tail.add(body);
    this.#attempt.answerId = this.#tail.answerId;
    this.#close({ kind: 'success' });
    this.#over();
    this.#resolve({ kind: 'replied', reply: wholeReply(head, body) });
  }

  // === answers that are passed on as they come ===

  /** Opens the client's side. From here on nothing is retried. */
  #pass(): void {
    this.#state = 'passing';
    const { contentType, contentLength, metadata } = this.#head!;
    const headers: Record<string, string> = { 'content-type': contentType };
    if (metadata !== undefined) headers['metadata'] = metadata;
    if (this.#isEventStream()) {
      headers['cache-control'] = 'no-cache';
      headers['x-accel-buffering'] = 'no';
    } else if (contentLength !== null) headers['content-length'] = String(contentLength);
    this.#resolve({
      kind: 'replied',
      reply: {
        status: 200,
        headers,
        body: { kind: 'pushed', start: this.#body.start },
        relayed: true,
        ended: new Ending(),
        outcome: () => (this.#broken ? { kind: 'broken', error: this.#broken } : { kind: 'complete', status: 200 }),
      },
    });
  }

  /** A stream that came without chunks, as some proxies send it: its events are cut out and passed on one by one. */
  #onUnframed(bytes: Buffer): void {
    this.#attempt.chunks++;
    this.#tail.add(bytes);
    this.#onEvents(this.#reader.readUnframed({ bytes, count: 1, starts: [0], ends: [bytes.length] }));
  }

  /** The rare reads: the last ones of a stream, an error, or events that are cut across chunks. */
  #onEvents(events: readonly SeenEvent[]): void {
    for (const [i, event] of events.entries()) {
      const { bytes, says } = event;
      // What comes with an end or an error, and after it, is no text.
      if (says.kind === 'error' || says.kind === 'done') this.#closing = events.length - i;
      if (says.kind === 'error') return this.#onErrorEvent(says.body, says.status);
      if (says.kind === 'aborted') return this.#onStreamFailure(this.#whyAborted(), 'aborted');
      if (says.kind === 'done' && this.#reader.saidNothing(this.#attempt.chunks, this.#call.peek.choices, this.#tail))
        return this.#onStreamFailure('The worker gave the request up before it had answered.', 'aborted');
      if (says.kind === 'finish') this.#attempt.finishReason = says.reason;
      if (this.#state === 'waiting') this.#pass();
      const own = this.#usage ? this.#usage.take(event) : bytes;
      if (own !== null) this.#body.write(own);
      if (says.kind === 'done') return this.#onDone();
    }
  }

  #writeHeld(): void {
    const held = this.#usage?.rest() ?? null;
    if (held !== null) this.#body.write(held);
  }

  #whyAborted(): string {
    if (this.#worker?.life !== null) return 'The worker gave the request up while it answered.';
    return 'The worker is being stopped, restarted or given another model, and the time that its last requests had for that is over.';
  }

  /** vLLM finds some errors of a request only when the stream has begun: they are the client's all the same, or tell that it is busy. */
  #onErrorEvent(body: string, status: number | null): void {
    const error = status === null ? null : this.#errors.from(status, body, this.#call.route.path);
    const isBusy = error?.kind === 'worker_busy';
    if (this.#state === 'waiting' && this.#errors.tellsShutdown(body)) return this.#fail(stopping(), 'stopping', NEUTRAL);
    if (error === null || (!isBusy && error.row.origin !== 'client'))
      return this.#onStreamFailure('The worker failed while it answered.', 'error_event', new Error(body.slice(0, MAX_SAID_CHARS)));
    if (this.#state === 'waiting') this.#fail(error, isBusy ? 'busy' : 'final', NEUTRAL);
    else this.#break(error, NEUTRAL);
  }

  /** A failure that the worker told in its stream: before the first event went out, another worker may do better. */
  #onStreamFailure(message: string, reason: string, cause?: Error): void {
    const error = new GatewayError('upstream_error', message, { cause });
    const died = cause !== undefined && this.#errors.tellsDeath(cause.message);
    const verdict: Verdict = died ? { kind: 'failure', reason } : { kind: 'failure', reason, doubtful: true };
    if (this.#state === 'waiting') return this.#fail(error, died ? 'died' : 'failed', verdict);
    if (died) this.#observer.onDied(false);
    this.#break(error, verdict);
  }

  #onDone(): void {
    this.#attempt.finishReason ??= 'unknown';
    this.#close({ kind: 'success' });
    this.#state = 'trailing';
    this.#silence.stop();
    this.#body.finish();

    // The end of the chunked body is usually in the same read; if it does not come, the connection is not worth keeping.
    this.#trailing = this.#clock.after(TRAILING_MS, () => {
      this.#abort();
      this.#over();
    });
    // What follows is a few bytes for us alone, however slowly the client reads.
    this.#exchange?.resume();
  }

  // === the client's pace, and silence ===

  onHold(): void {
    if (this.#state !== 'passing') return;
    this.#exchange?.pause();
    this.#silence.hold(this.#clock.now());
  }

  onRelease(): void {
    if (this.#state !== 'passing') return;
    this.#silence.release(this.#clock.now());
    this.#exchange?.resume();
  }

  onReaderStalled(): void {
    this.#abort();
    this.#settle({ kind: 'neutral' });
    this.#over();
    this.#body.cut();
  }

  movedAt(): number {
    return this.#worker?.load.movedAt ?? -Infinity;
  }

  onNoFirstToken(): void {
    const limit = `${this.#settings.first_token_ms} ms (timeouts.first_token_ms)`;
    this.#onTimeout(`The worker sent no token within ${limit} and was not seen to work on anything.${STUCK_ADVICE}`, 'first_token_timeout');
  }

  onIdle(): void {
    const limit = `${this.#settings.idle_ms} ms (timeouts.idle_ms)`;
    this.#onTimeout(`The worker sent nothing for ${limit} and was not seen to work on anything.${STUCK_ADVICE}`, 'idle_timeout');
  }

  onKeepAlive(): void {
    // Before the worker's head it may still answer with an error: that is worth more to the client than a comment.
    if (this.#head?.status !== 200 || !this.#isEventStream() || this.#reader.isWithinEvent) return;
    if (this.#state === 'waiting') this.#pass();
    this.#body.write(KEEP_ALIVE);
  }

  giveUp(error: GatewayError): void {
    if (this.#state === 'waiting') this.#fail(error, 'failed', { kind: 'failure', reason: 'stalled' });
  }

  lose(error: GatewayError): void {
    if (this.#state === 'passing' && !this.#silence.isHeld) return this.#break(error, NEUTRAL);
    if (this.#state !== 'waiting') return;
    // As if it had died, but it did not die of this.
    this.#end(error, 'died', NEUTRAL);
  }

  /** Asked for only where something went wrong. */
  get #errors(): ErrorReader {
    return adapterOf(this.#worker!.view).errors;
  }

  #onTimeout(message: string, reason: string): void {
    const error = new GatewayError('upstream_timeout', message);
    const verdict: Verdict = { kind: 'failure', reason };
    if (this.#state === 'waiting') this.#fail(error, 'failed', verdict);
    else this.#break(error, verdict);
  }

  get #body(): ClientBody {
    return (this.#opened ??= new ClientBody(this.#call.journey, this));
  }

  // === ways to end ===

  /** Before the first byte: the caller decides what comes next. */
  #fail(error: GatewayError, cause: FailureCause, verdict: Verdict): void {
    if (cause === 'died') this.#observer.onDied(true);
    this.#end(error, cause, verdict);
  }

  #end(error: GatewayError, cause: FailureCause, verdict: Verdict): void {
    this.#abort();
    this.#attempt.failure = cause;
    this.#settle(verdict);
    this.#over();
    this.#resolve({ kind: 'failed', error, cause });
  }

  /** After it: the stream ends with an error event, never silently and never with [DONE], unless somebody goes on with it. */
  #break(error: GatewayError, verdict: Verdict): void {
    this.#abort();
    this.#broken = error;
    this.#close(verdict);
    if (this.#isEventStream() && this.#observer.onBroken(error)) return this.#over();
    if (this.#isEventStream()) {
      this.#writeHeld();
      if (this.#reader.isWithinEvent) this.#body.write(END_OF_EVENT);
      this.#body.write(Buffer.from(errorEvent(error, this.#call.route.dialect, this.#tail.nextSequenceNumber())));
      this.#body.finish();
    } else this.#body.cut();
    this.#over();
  }

  #onCancelled(reason: GatewayError): void {
    if (this.#state === 'over') return;
    if (this.#state === 'waiting') return this.#fail(reason, 'final', { kind: 'neutral' });
    if (this.#state === 'trailing' || reason.kind === 'client_disconnected') {
      this.#abort();
      this.#settle({ kind: 'neutral' });
      return this.#over();
    }
    this.#break(reason, { kind: 'neutral' });
  }

  /** The worker has said its last. */
  #close(verdict: Verdict): void {
    this.#attempt.lastByteAt = this.#clock.now();
    if (!this.#isEventStream()) this.#tail.count(this.#attempt);
    this.#settle(verdict);
  }

  #abort(): void {
    this.#exchange?.abort();
    this.#exchange = null;
  }

  #settle(verdict: Verdict): void {
    const attempt = this.#attempt;
    if (attempt.verdict !== null) return;
    if (this.#isEventStream()) {
      attempt.chunks = this.#state === 'waiting' ? 0 : textEvents(this.#call, attempt.chunks, this.#closing);
      this.#tail.count(attempt);
    }
    attempt.verdict = verdict;
    this.#observer.onSettled(verdict);
  }

  #over(): void {
    this.#state = 'over';
    this.#silence.stop();
    this.#trailing?.cancel();
    this.#offCancel?.();
    this.#offCancel = null;
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #isEventStream(): boolean {
    return this.#head !== null && this.#head.contentType.startsWith('text/event-stream');
  }
}
