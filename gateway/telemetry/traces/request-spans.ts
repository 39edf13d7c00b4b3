import type { Attributes } from '@opentelemetry/api';
import type { Attempt } from '../../core/attempt.ts';
import type { Call } from '../../core/call.ts';
import type { EarlyRefusal } from '../../core/events.ts';
import { nameOf } from '../../core/principal.ts';
import type { Outcome } from '../../core/reply.ts';
import type { CallTrace, SpanRef } from '../../core/trace/call-trace.ts';
import { methodOf, outputTokensOf, rounded } from '../events/request-line.ts';
import { FinishedSpan, KINDS, type SpanOrigin } from './finished-span.ts';
import { FIRST_TOKEN, NAMES, operationOf, PROVIDER, RESUMED } from './names.ts';
import { isOurs } from './verdict.ts';

const MS_PER_SECOND = 1000;
/** The names of spans of waits. */
const WAITS = { limit: 'limit', queue: 'queue', window: 'window', worker: 'worker lost' } as const;

/** What a request's spans are made of besides its call. */
export interface SpanMaker {
  readonly origin: SpanOrigin;
  /** Where a worker is; null: it is gone. */
  readonly urlOf: (worker: string) => string | null;
}

interface Ended {
  readonly outcome: Outcome;
  /** What the client was sent, or 499. */
  readonly status: number;
  /** Monotonic ms. */
  readonly endedAt: number;
  /** Wall-clock ms less monotonic ms. */
  readonly offset: number;
}

/** How many spans a call's trace has: as many as `spansOf` makes. */
export function spanCount({ identifiedAt, waits, attempts }: CallTrace): number {
  return 2 + (identifiedAt === null ? 0 : 1) + waits.length + attempts.length;
}

/**
 * The spans of a call, its own first: what was read of it, how it was admitted and what it waited for, each attempt at a worker. What is part
 * of another lies within it.
 */
export function spansOf(maker: SpanMaker, call: Call, trace: CallTrace, ended: Ended): FinishedSpan[] {
  const { endedAt, offset } = ended;
  const { traceId, spanId } = trace;
  const { arrivedAt } = call;
  // What goes on after the end (a worker that is slow to hang up) is not the request's.
  const within = (at: number | null): number => offset + Math.min(Math.max(at ?? endedAt, arrivedAt), endedAt);
  const spans = [rootSpan(maker, call, trace, ended)];
  const add = (id: string, parentId: string, name: string, from: number | null, to: number | null): void => {
    const parts = { traceId, spanId: id, parentId, name, kind: KINDS.internal, from: within(from), to: within(to), attributes: {} };
    spans.push(new FinishedSpan(maker.origin, parts));
  };
  const { identifiedAt, admittedAt } = trace;
  if (identifiedAt !== null) add(trace.newSpanId(), spanId, 'receive', arrivedAt, identifiedAt);
  const admission = trace.newSpanId();
  // One that was answered from the cache, or by another's answer, or refused, was never admitted: that took all of its time.
  add(admission, spanId, 'admission', identifiedAt ?? arrivedAt, admittedAt);
  for (const { kind, from, to } of trace.waits) {
    add(trace.newSpanId(), admittedAt === null || to <= admittedAt ? admission : spanId, WAITS[kind], from, to);
  }
  trace.attempts.forEach(({ spanId: id, begunAt, endedAt: doneAt }, at) => {
    const attempt = call.attempts[at];
    if (!attempt) return;
    const { firstByteAt } = attempt;
    const failure = failureOf(attempt);
    spans.push(
      new FinishedSpan(maker.origin, {
        ...{ traceId, spanId: id, parentId: spanId, name: `${operationOf(call.route.path)} ${call.model}`, kind: KINDS.client },
        ...{ from: within(begunAt), to: within(doneAt), error: failure },
        attributes: attemptAttributes(maker, call, at, begunAt, failure),
        events: call.peek.stream && firstByteAt !== null ? [{ name: FIRST_TOKEN, at: within(firstByteAt) }] : [],
      }),
    );
  });
  return spans;
}

/** The one span of a request that was refused before it became a call. */
export function refusalSpans(maker: SpanMaker, trace: CallTrace, refusal: EarlyRefusal, endsAt: number): FinishedSpan[] {
  const { id, route, method, status, code, durationMs, key } = refusal;
  const isError = status >= 500;
  const attributes: Attributes = {
    [NAMES.method]: method,
    [NAMES.route]: route,
    [NAMES.path]: route,
    [NAMES.scheme]: 'http',
    [NAMES.status]: status,
    [NAMES.requestId]: id,
    [NAMES.outcome]: 'refused',
    [NAMES.code]: code,
  };
  if (key !== null) attributes[NAMES.key] = key;
  if (isError) attributes[NAMES.errorType] = code;
  if (trace.kept !== null) attributes[NAMES.kept] = trace.kept;
  const { traceId, spanId, parentId } = trace;
  const parts = { traceId, spanId, parentId, isParentRemote: true, name: `${method} ${route}`, kind: KINDS.server, attributes };
  const links = trace.link === null ? [] : [trace.link];
  return [new FinishedSpan(maker.origin, { ...parts, from: endsAt - durationMs, to: endsAt, error: isError ? code : null, links })];
}

function rootSpan({ origin }: SpanMaker, call: Call, trace: CallTrace, { outcome, status, endedAt, offset }: Ended): FinishedSpan {
  const { journey, route, rides } = call;
  const method = methodOf(call);
  const failed = outcome.kind === 'refused' || outcome.kind === 'broken' ? outcome.error : null;
  const code = failed && (failed.details.code ?? failed.row.code);
  const error = isOurs(outcome, status) ? (code ?? String(status)) : null;
  const attributes: Attributes = {
    [NAMES.requestId]: call.id,
    [NAMES.requestModel]: call.model,
    [NAMES.stream]: call.peek.stream,
    [NAMES.status]: status,
    [NAMES.requestBytes]: call.body.bytes.length,
    [NAMES.responseBytes]: journey.bytesOut,
    [NAMES.outcome]: outcome.kind,
    [NAMES.priority]: call.priority,
    [NAMES.attempts]: call.attempts.length,
    [NAMES.queueMs]: rounded(journey.queueMs),
    [NAMES.windowMs]: rounded(journey.windowMs),
  };
  if (trace.batch === null) {
    Object.assign(attributes, { [NAMES.method]: method, [NAMES.route]: route.path, [NAMES.path]: route.path, [NAMES.scheme]: 'http' });
  } else attributes[NAMES.batch] = trace.batch;
  if (code !== null) attributes[NAMES.code] = code;
  if (failed !== null) attributes[NAMES.reason] = failed.reason;
  if (error !== null) attributes[NAMES.errorType] = error;
  if (outcome.kind === 'disconnected') attributes[NAMES.phase] = outcome.phase;
  const key = nameOf(call.principal);
  if (key !== null) attributes[NAMES.key] = key;
  if (journey.cache !== null) attributes[NAMES.cache] = journey.cache;
  if (journey.fallback !== null) {
    attributes[NAMES.fallback] = journey.fallback.to;
    attributes[NAMES.fallbackReason] = journey.fallback.reason;
  }
  if (journey.isReplay) attributes[NAMES.isReplay] = true;
  if (journey.resume !== null) attributes[NAMES.resumes] = journey.resume.times;
  if (journey.resume?.refused != null) attributes[NAMES.notResumed] = journey.resume.refused;
  if (trace.kept !== null) attributes[NAMES.kept] = trace.kept;
  // The answer is another's: that one's trace tells how it was made.
  const links = [trace.link, rides?.trace ?? null].filter((link): link is SpanRef => link !== null);
  const { traceId, spanId, parentId } = trace;
  return new FinishedSpan(origin, {
    ...{ traceId, spanId, parentId, isParentRemote: true, attributes, error, links },
    name: trace.batch === null ? `${method} ${route.path}` : 'batch line',
    kind: trace.batch === null ? KINDS.server : KINDS.consumer,
    events: (journey.resume?.gaps ?? []).map(({ to }) => ({ name: RESUMED, at: offset + to })),
    from: offset + call.arrivedAt,
    to: offset + endedAt,
  });
}

/** Why the worker failed; null: it did not, or it says nothing about it. */
function failureOf({ failure, verdict }: Attempt): string | null {
  if (verdict?.kind === 'failure') return verdict.reason;
  return failure;
}

function attemptAttributes({ urlOf }: SpanMaker, call: Call, at: number, begunAt: number, failure: string | null): Attributes {
  const attempt = call.attempts[at]!;
  const { peek } = call;
  const attributes: Attributes = {
    [NAMES.operation]: operationOf(call.route.path),
    [NAMES.provider]: PROVIDER,
    [NAMES.requestModel]: call.model,
    [NAMES.stream]: peek.stream,
    [NAMES.worker]: attempt.worker,
    [NAMES.attempt]: at + 1,
  };
  const url = URL.parse(urlOf(attempt.worker) ?? '');
  if (url !== null) {
    attributes[NAMES.serverAddress] = url.hostname;
    attributes[NAMES.serverPort] = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port);
  }
  if (peek.maxTokens !== null) attributes[NAMES.maxTokens] = peek.maxTokens;
  if (peek.choices > 1) attributes[NAMES.choices] = peek.choices;
  const before = at === 0 ? null : call.attempts[at - 1]!.failure;
  if (before !== null) attributes[NAMES.retryReason] = before;
  if (failure !== null) attributes[NAMES.errorType] = failure;
  if (peek.stream && attempt.firstByteAt !== null) {
    attributes[NAMES.firstChunkSeconds] = rounded(attempt.firstByteAt - begunAt) / MS_PER_SECOND;
  }
  const output = at === call.attempts.length - 1 ? outputTokensOf(call) : attempt.outputTokens;
  if (attempt.inputTokens !== null) attributes[NAMES.inputTokens] = attempt.inputTokens;
  if (output !== null) attributes[NAMES.outputTokens] = output;
  if (attempt.cachedTokens !== null) attributes[NAMES.cachedTokens] = attempt.cachedTokens;
  if (attempt.finishReason !== null) attributes[NAMES.finishReasons] = [attempt.finishReason];
  return attributes;
}
