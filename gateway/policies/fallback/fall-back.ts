import type { Call } from '../../core/call.ts';
import { type ErrorKind, GatewayError } from '../../core/errors.ts';
import type { Events } from '../../core/events.ts';
import type { Handler, Layer } from '../../core/handler.ts';
import { FALLBACK_HEADER } from '../../core/pools/fallbacks.ts';
import { headerText } from '../../core/pools/header-text.ts';
import type { Reply } from '../../core/reply.ts';
import type { WorkerDirectory } from '../../core/worker.ts';

export interface FallBackContext {
  readonly events: Pick<Events, 'fellBack'>;
  readonly directory: Pick<WorkerDirectory, 'readyFor'>;
  /** Whether any model has a fallback. Absent: none has. */
  readonly fallsBack?: (() => boolean) | undefined;
}

/**
 * What is no fault of the request's: its workers are full, down or left alone, or failed with it before a byte had come. Whatever is the
 * client's own (a mistake, a limit, its time, a request that workers have died of) another model would do no better with, or is not to.
 */
const ELSEWHERE: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'queue_full',
  'queue_timeout',
  'kv_pressure',
  'breaker_open',
  'worker_busy',
  'model_loading',
  'no_worker',
  'upstream_error',
  'upstream_disconnected',
  'upstream_timeout',
]);

/**
 * Sends a call that its own model's workers cannot take to the next model that may answer it. It stands in front of the line: by the time
 * that a refusal comes here the call has been tried at every worker that it may be tried at, and has waited as long as it may. Another model
 * is asked only while a worker has it: none is loaded for this, which might take a card from those that are too few already. And only that
 * list counts: a fallback's own fallbacks are not followed. Where none answers, what the call is told is what its own model said.
 * Where some models have such, a call without costs a look at a field.
 */
export function fallBack(context: FallBackContext): Layer {
  if (context.fallsBack?.() !== true) return (next) => next;
  return (next) => (call) => (call.fallbacks.length === 0 ? next(call) : answered(context, next, call));
}

async function answered(context: FallBackContext, next: Handler, call: Call): Promise<Reply> {
  try {
    return await next(call);
  } catch (refusal) {
    if (!isElsewhere(call, refusal)) throw refusal;
    const reply = await answeredByOther(context, next, call, refusal);
    if (reply === null) throw refusal;
    return reply;
  }
}

/** @returns null where none could. @throws what another model says of the request itself */
async function answeredByOther(
  { directory, events }: FallBackContext,
  next: Handler,
  call: Call,
  refusal: GatewayError,
): Promise<Reply | null> {
  const { reason } = refusal;
  const { journey } = call;
  for (const model of call.fallbacks) {
    if (directory.readyFor(model).length === 0) continue;
    journey.fallback = { to: model, reason };
    try {
      const reply = await next({ ...call, model });
      events.fellBack(call, model, reason);
      return { ...reply, headers: { ...reply.headers, [FALLBACK_HEADER]: headerText(model) } };
    } catch (error) {
      if (!isElsewhere(call, error)) throw error;
    }
  }
  journey.fallback = null;
  return null;
}

function isElsewhere(call: Call, error: unknown): error is GatewayError {
  return error instanceof GatewayError && ELSEWHERE.has(error.kind) && error.details.onlyThis !== true && !call.cancellation.cancelled;
}
