/** A span by its names, in hexadecimal digits. */
export interface SpanRef {
  readonly traceId: string;
  readonly spanId: string;
}

/** What a client says of its own trace: `traceparent`. */
export interface TraceParent extends SpanRef {
  readonly isSampled: boolean;
}

/** What a call waited for: room below a limit · a place · its window · news of a worker that was lost. */
export type WaitKind = 'limit' | 'queue' | 'window' | 'worker';

/** Monotonic ms. */
interface Wait {
  readonly kind: WaitKind;
  readonly from: number;
  readonly to: number;
}

/** An attempt as its trace sees it, in step with `Call.attempts`. Monotonic ms. */
interface TracedAttempt {
  readonly spanId: string;
  readonly begunAt: number;
  endedAt: number | null;
}

/** Why a trace is kept. sampled: it is one of the share that is. */
export type Kept = 'error' | 'slow' | 'sampled';

interface TraceParts {
  readonly traceId: string;
  /** Of the client, whose trace is continued; null: this is where the trace begins. */
  readonly parentId: string | null;
  /** The client's own trace, which is not continued. */
  readonly link: SpanRef | null;
  readonly isSampled: boolean;
  /** The batch whose line it is. */
  readonly batch: string | null;
  /** 32 hexadecimal digits, others each time. */
  readonly newId: () => string;
}

const SPAN_DIGITS = 16;

/**
 * The trace of one request while nobody knows yet whether it is kept: names, and times that nothing else needs. Spans are made of it at the
 * end, and only for what is kept.
 */
export class CallTrace implements SpanRef {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly link: SpanRef | null;
  /** What workers are told, who must know before the request has ended. */
  readonly isSampled: boolean;
  readonly batch: string | null;
  /** Monotonic ms at which it had been read and identified; null: it was refused before. */
  identifiedAt: number | null = null;
  /** Monotonic ms at which it had a place; null: it never had one. */
  admittedAt: number | null = null;
  readonly waits: Wait[] = [];
  readonly attempts: TracedAttempt[] = [];
  /** null: it is not kept, or has not ended. */
  kept: Kept | null = null;
  readonly #newId: () => string;
  /** One name is long enough for two spans. */
  #nextSpan: string;

  constructor({ traceId, parentId, link, isSampled, batch, newId }: TraceParts) {
    const id = newId();
    this.traceId = traceId;
    this.spanId = id.slice(0, SPAN_DIGITS);
    this.#nextSpan = id.slice(SPAN_DIGITS);
    this.parentId = parentId;
    this.link = link;
    this.isSampled = isSampled;
    this.batch = batch;
    this.#newId = newId;
  }

  newSpanId(): string {
    if (this.#nextSpan === '') {
      const id = this.#newId();
      this.#nextSpan = id.slice(SPAN_DIGITS);
      return id.slice(0, SPAN_DIGITS);
    }
    const id = this.#nextSpan;
    this.#nextSpan = '';
    return id;
  }

  /** A worker is asked, at `now` (monotonic ms). @returns the `traceparent` for it, whose parent is the span of this attempt */
  beginAttempt(now: number): string {
    const spanId = this.newSpanId();
    this.attempts.push({ spanId, begunAt: now, endedAt: null });
    return `00-${this.traceId}-${spanId}-${this.isSampled ? '01' : '00'}`;
  }
}

const TRACE_PARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads the header of that name; null: there is none, or none that is right. */
export function readTraceParent(header: string | string[] | undefined): TraceParent | null {
  const found = typeof header === 'string' ? TRACE_PARENT.exec(header) : null;
  return found && { traceId: found[1]!, spanId: found[2]!, isSampled: (parseInt(found[3]!, 16) & 1) === 1 };
}
