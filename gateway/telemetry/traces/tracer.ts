import type { Clock } from '../../core/clock.ts';
import type { Listener } from '../../core/fan-out.ts';
import { CallTrace, type Kept, readTraceParent } from '../../core/trace/call-trace.ts';
import { refusalSpans, spanCount, type SpanMaker, spansOf } from './request-spans.ts';
import type { SpanQueue } from './span-queue.ts';
import { Verdicts } from './verdict.ts';

interface TracerOptions {
  readonly clock: Clock;
  /** 32 hexadecimal digits that nobody can guess, others each time. */
  readonly newId: () => string;
  readonly sampleRatio: number;
  readonly slowMs: number;
  /** A client's trace is continued, and what it says of sampling obeyed. */
  readonly trustIncoming: boolean;
  readonly maker: SpanMaker;
  readonly queue: Pick<SpanQueue, 'hasRoomFor' | 'add'>;
  readonly onKept: (why: Kept) => void;
}

/** The digits of a trace's name that decide about its share: those which the W3C calls random, the first of them. */
const FROM_DIGIT = 18;
const TO_DIGIT = 26;
const RANGE = 2 ** 32;

/**
 * Names traces as requests come, and makes spans of those that are kept as they end. A request that is not kept costs its names and a few
 * looks at the clock.
 */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #verdicts: Verdicts;
  readonly #least: number;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#verdicts = new Verdicts(options.slowMs);
    this.#least = (1 - options.sampleRatio) * RANGE;
  }

  /** @param header the request's `traceparent` */
  readonly request = (header: string | string[] | undefined): CallTrace => {
    const { newId, trustIncoming } = this.#options;
    const given = header === undefined ? null : readTraceParent(header);
    if (given !== null && trustIncoming) {
      const { traceId, spanId: parentId, isSampled } = given;
      return new CallTrace({ traceId, parentId, link: null, isSampled, batch: null, newId });
    }
    return this.#begin(given, null);
  };

  /** A line of a batch. */
  readonly line = (batch: string): CallTrace => this.#begin(null, batch);

  #begin(link: CallTrace['link'], batch: string | null): CallTrace {
    const { newId } = this.#options;
    const traceId = newId();
    const isSampled = parseInt(traceId.slice(FROM_DIGIT, TO_DIGIT), 16) >= this.#least;
    return new CallTrace({ traceId, parentId: null, link, isSampled, batch, newId });
  }

  /** Has to hear of a request's end before those who write it down. */
  readonly listener: Listener = {
    requestStarted: ({ trace }) => {
      if (trace !== null) trace.identifiedAt = this.#options.clock.now();
    },
    admitted: ({ trace }) => {
      if (trace !== null) trace.admittedAt = this.#options.clock.now();
    },
    attemptEnded: ({ trace, attempts }, attempt) => {
      const traced = trace?.attempts[attempts.lastIndexOf(attempt)];
      if (traced) traced.endedAt = this.#options.clock.now();
    },
    requestEnded: (call, outcome, status) => {
      const { trace } = call;
      if (trace === null) return;
      const { clock, maker, queue } = this.#options;
      const endedAt = clock.now();
      const kept = this.#verdicts.ofCall(call, trace, outcome, status, endedAt - call.arrivedAt, endedAt);
      if (kept === null || !this.#keep(trace, kept, spanCount(trace))) return;
      queue.add(spansOf(maker, call, trace, { outcome, status, endedAt, offset: clock.wall() - endedAt }));
    },
    requestRefused: (refusal) => {
      const { trace } = refusal;
      if (!trace) return;
      const { clock, maker, queue } = this.#options;
      const kept = this.#verdicts.ofRefusal(refusal, trace, clock.now());
      if (kept !== null && this.#keep(trace, kept, 1)) queue.add(refusalSpans(maker, trace, refusal, clock.wall()));
    },
  };

  /** @returns whether its spans are to be made */
  #keep(trace: CallTrace, kept: Kept, spans: number): boolean {
    if (!this.#options.queue.hasRoomFor(spans)) return false;
    trace.kept = kept;
    this.#options.onKept(kept);
    return true;
  }
}
