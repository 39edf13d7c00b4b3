import type { Attempt } from '../core/attempt.ts';
import type { Call } from '../core/call.ts';
import type { RefusalReason } from '../core/errors.ts';
import { nameOf } from '../core/principal.ts';
import type { Outcome } from '../core/reply.ts';

/** One attempt at a worker, in milliseconds since the call came; null: not yet, or never. */
export interface AttemptFacts {
  readonly worker: string;
  readonly sent_ms: number | null;
  readonly first_ms: number | null;
  readonly last_ms: number | null;
  readonly failure: string | null;
}

/** What is shown of a call: how long it took where. Nothing of what was asked or answered. */
export interface CallFacts {
  readonly id: string;
  /** Wall-clock milliseconds at which it came. */
  readonly at: number;
  readonly route: string;
  readonly model: string;
  /** The other model that answers it; null: its own does. */
  readonly fallback: string | null;
  /** The name of a key; null: whoever comes without one. */
  readonly key: string | null;
  readonly priority: string;
  readonly line: boolean;
  readonly stream: boolean;
  /** Where it is; `done` when it has ended. */
  readonly phase: string;
  /** null: it has not ended. */
  readonly outcome: Outcome['kind'] | null;
  readonly status: number | null;
  readonly reason: string | null;
  readonly queue_ms: number;
  readonly window_ms: number;
  readonly duration_ms: number;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cached_tokens: number | null;
  readonly cache: string | null;
  readonly attempts: readonly AttemptFacts[];
}

/** A call that has ended, by its number in this process. */
export interface EndedCall extends CallFacts {
  readonly number: number;
}

/** Of a call, what facts are made of: no body, no socket, nothing that its client or a worker said. */
export interface CallTraces extends Pick<
  Call,
  'id' | 'route' | 'model' | 'principal' | 'priority' | 'isLine' | 'arrivedAt' | 'journey' | 'attempts'
> {
  readonly stream: boolean;
}

/** How a call ended. */
export interface CallEnd {
  readonly kind: Outcome['kind'];
  readonly reason: RefusalReason | null;
  readonly status: number;
  /** Monotonic ms. */
  readonly endedAt: number;
}

/** Of a call that has not ended. @param now monotonic ms @param ahead by how many ms the wall clock is ahead of that */
export function liveFacts(call: Call, now: number, ahead: number): CallFacts {
  return facts(call, call.peek.stream, now, ahead, null);
}

/** Of one that has. @param ahead as above */
export function endFacts(call: CallTraces & CallEnd, ahead: number): CallFacts {
  return facts(call, call.stream, call.endedAt, ahead, call);
}

function facts(call: Omit<CallTraces, 'stream'>, stream: boolean, until: number, ahead: number, end: CallEnd | null): CallFacts {
  const { journey, arrivedAt } = call;
  const last = call.attempts.at(-1);
  return {
    id: call.id,
    at: Math.round(ahead + arrivedAt),
    route: call.route.path,
    model: call.model,
    fallback: journey.fallback?.to ?? null,
    key: nameOf(call.principal),
    priority: call.priority,
    line: call.isLine,
    stream,
    phase: journey.phase,
    outcome: end?.kind ?? null,
    status: end?.status ?? null,
    reason: end?.reason ?? null,
    queue_ms: tenths(journey.queueMs),
    window_ms: tenths(journey.windowMs),
    duration_ms: tenths(until - arrivedAt),
    input_tokens: last?.inputTokens ?? null,
    output_tokens: last ? (last.outputTokens ?? (last.chunks > 0 ? last.chunks : null)) : null,
    cached_tokens: last?.cachedTokens ?? null,
    cache: journey.cache,
    attempts: call.attempts.map((attempt) => attemptFacts(attempt, arrivedAt)),
  };
}

function attemptFacts({ worker, sentAt, firstByteAt, lastByteAt, failure }: Attempt, arrivedAt: number): AttemptFacts {
  const since = (at: number | null): number | null => (at === null ? null : tenths(at - arrivedAt));
  return { worker, sent_ms: since(sentAt), first_ms: since(firstByteAt), last_ms: since(lastByteAt), failure };
}

/** Milliseconds, to a tenth. */
export function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
