import type { Call } from '../../core/call.ts';
import { GatewayError } from '../../core/errors.ts';
import { nameOf } from '../../core/principal.ts';
import type { Outcome } from '../../core/reply.ts';
import type { CallTrace } from '../../core/trace/call-trace.ts';
import type { LogFields } from '../../core/log/fields.ts';
import type { LogLevel } from '../../core/log/log.ts';

export function methodOf({ route }: Call): string {
  return route.stored ?? 'POST';
}

/** The fields of the one line that tells a request's whole story. `durationMs` is from arrival to the end of its answer. */
export function requestEndFields(call: Call, outcome: Outcome, status: number, durationMs: number): LogFields {
  const { journey, peek } = call;
  const last = call.attempts.at(-1);
  const firstToken = firstTokenMs(call, outcome);
  const error = outcome.kind === 'refused' || outcome.kind === 'broken' ? outcome.error : null;
  return {
    request_id: call.id,
    ...traceFields(call.trace),
    method: methodOf(call),
    route: call.route.path,
    model: call.model,
    fallback: journey.fallback?.to,
    fallback_reason: journey.fallback?.reason,
    status,
    outcome: outcome.kind,
    code: error ? (error.details.code ?? error.row.code) : null,
    reason: error ? error.reason : null,
    limit: error ? error.details.limit : null,
    phase: outcome.kind === 'disconnected' ? outcome.phase : null,
    stream: peek.stream,
    worker: last?.worker,
    attempts: call.attempts.length,
    queue_ms: rounded(journey.queueMs),
    window_ms: rounded(journey.windowMs),
    resumes: journey.resume === null ? null : journey.resume.times,
    not_resumed: journey.resume?.refused,
    ttft_ms: firstToken === null ? null : rounded(firstToken),
    duration_ms: rounded(durationMs),
    input_tokens: last?.inputTokens,
    output_tokens: outputTokensOf(call),
    cached_tokens: last?.cachedTokens,
    cache: journey.cache,
    replayed: journey.isReplay ? true : null,
    bytes_out: journey.bytesOut,
    finish_reason: last?.finishReason,
    priority: call.priority,
    key: nameOf(call.principal),
    ...(error && failureFields(error)),
  };
}

/** By which a line and the spans of the same request are found; `traced`: why these are kept, where they are. */
export function traceFields(trace: CallTrace | null | undefined): LogFields {
  return trace == null ? NO_FIELDS : { trace_id: trace.traceId, span_id: trace.spanId, traced: trace.kept };
}

const NO_FIELDS: LogFields = {};

/** Monotonic ms at which the first byte of an answer came, which its last worker may have gone on with; null: none did. */
export function firstByteAtOf({ journey, attempts }: Pick<Call, 'journey' | 'attempts'>): number | null {
  return journey.resume?.firstByteAt ?? attempts.at(-1)?.firstByteAt ?? null;
}

/** From arrival to the first of a stream that its client got; null where it got none. */
export function firstTokenMs(call: Call, outcome: Outcome): number | null {
  const { peek, arrivedAt } = call;
  const firstByteAt = firstByteAtOf(call);
  return peek.stream && outcome.kind !== 'refused' && firstByteAt !== null ? firstByteAt - arrivedAt : null;
}

/** Output tokens as the worker counted them, else the events of the stream that carried text; null where there is neither. */
export function outputTokensOf(call: Call): number | null {
  const last = call.attempts.at(-1);
  if (!last) return null;
  return last.outputTokens ?? (last.chunks > 0 ? last.chunks : null);
}

/**
 * Info where all is well or the client is at fault, warn where it was turned away or let down, error where we are at fault. Of lines of batches
 * there are tens of thousands, and each may be tried several times: what came of them stands in their files.
 */
export function requestEndLevel({ isLine }: Pick<Call, 'isLine'>, outcome: Outcome, status: number): Exclude<LogLevel, 'silent'> {
  const isFaultOfOurs = outcome.kind !== 'disconnected' && outcome.kind !== 'complete' && outcome.error.kind === 'internal';
  if (isLine && !isFaultOfOurs) return 'debug';
  if (outcome.kind === 'disconnected') return 'info';
  if (outcome.kind === 'complete') return status >= 500 ? 'warn' : 'info';
  if (outcome.error.kind === 'internal') return 'error';
  return outcome.error.row.origin === 'client' && outcome.kind === 'refused' ? 'info' : 'warn';
}

/**
 * Where an error comes from, without its text: a parser's message quotes its input, a worker's may quote a prompt.
 * The stack, less its first lines (which are the message), is given for faults of our own only.
 */
export function failureFields(error: GatewayError): LogFields {
  let cause = error.cause;
  // A failure may be wrapped in another of ours; the one at the bottom came from outside.
  while (cause instanceof GatewayError) cause = cause.cause;
  if (!(cause instanceof Error)) return {};
  const code = 'code' in cause && typeof cause.code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(cause.code) ? cause.code : null;
  const frames = cause.stack?.split('\n').filter((line) => /^ {4}at /.test(line)) ?? [];
  return {
    error_name: /^\w{1,64}$/.test(cause.name) ? cause.name : null,
    cause_code: code,
    stack: error.kind === 'internal' && frames.length > 0 ? frames.map((frame) => frame.trim()).join('\n') : null,
  };
}

/** Milliseconds to the microsecond. */
export function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
