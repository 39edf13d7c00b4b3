import type { Attributes, HrTime, Link, SpanContext, SpanStatus } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { SpanRef } from '../../core/trace/call-trace.ts';

// As numbers, since the package that names them is loaded only where traces are sent.
const SAMPLED = 1;
export const KINDS = { internal: 0, server: 1, client: 2, consumer: 4 } as const;
export const STATUS = { unset: 0, error: 2 } as const;

const MS_PER_SECOND = 1000;
const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;

/** What all spans of a gateway have in common. */
export interface SpanOrigin {
  readonly resource: Resource;
  readonly scope: ReadableSpan['instrumentationScope'];
}

interface SpanParts {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  /** The parent is somebody else's span. */
  readonly isParentRemote?: boolean;
  readonly name: string;
  readonly kind: (typeof KINDS)[keyof typeof KINDS];
  /** Wall-clock ms, with fractions. */
  readonly from: number;
  readonly to: number;
  readonly attributes: Attributes;
  /** What kind of error it ended with; null: none. */
  readonly error?: string | null;
  readonly events?: readonly { readonly name: string; readonly at: number }[];
  readonly links?: readonly SpanRef[];
}

/** A span that has ended, made of times that were taken before. */
export class FinishedSpan implements ReadableSpan {
  readonly name: string;
  readonly kind: SpanParts['kind'];
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly links: Link[];
  readonly events: ReadableSpan['events'];
  readonly ended = true;
  readonly resource: Resource;
  readonly instrumentationScope: SpanOrigin['scope'];
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  readonly #context: SpanContext;

  constructor(origin: SpanOrigin, parts: SpanParts) {
    const { traceId, spanId, parentId, name, kind, from, attributes, error = null, events = [], links = [] } = parts;
    // A clock may have been set back in between.
    const to = Math.max(from, parts.to);
    this.#context = { traceId, spanId, traceFlags: SAMPLED };
    if (parentId !== null) {
      this.parentSpanContext = { traceId, spanId: parentId, traceFlags: SAMPLED, isRemote: parts.isParentRemote === true };
    }
    this.name = name;
    this.kind = kind;
    this.startTime = hrTime(from);
    this.endTime = hrTime(to);
    this.duration = hrTime(to - from);
    this.status = { code: error === null ? STATUS.unset : STATUS.error };
    this.attributes = attributes;
    this.events = events.map((event) => ({ name: event.name, time: hrTime(event.at) }));
    this.links = links.map((ref) => ({ context: { traceId: ref.traceId, spanId: ref.spanId, traceFlags: 0, isRemote: true } }));
    this.resource = origin.resource;
    this.instrumentationScope = origin.scope;
  }

  spanContext(): SpanContext {
    return this.#context;
  }
}

/** Seconds and nanoseconds of them. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / MS_PER_SECOND);
  const ns = Math.round((ms - seconds * MS_PER_SECOND) * NS_PER_MS);
  return ns < NS_PER_SECOND ? [seconds, ns] : [seconds + 1, 0];
}
