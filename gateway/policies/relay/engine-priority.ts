import type { Call, CallBody } from '../../core/call.ts';
import type { Worker } from '../../core/worker.ts';
import { adapterOf } from '../../engines/adapters.ts';
import { withFieldAtEnd } from '../../openai/field-at-end.ts';
import { foreignBody } from './foreign-body.ts';

/**
 * Of calls that have time. vLLM begins with the lowest number that waits, and takes 0 where a request has none (vllm/v1/request.py). Started
 * with another policy, 0.32.0 takes any number and does not heed it, unlike its own description of the field (test/vllm: chat-priority-5).
 */
export const BATCH_PRIORITY = 10;

/** Where vLLM reads the field. On `/v1/messages` it has none. */
const ROUTES: ReadonlySet<string> = new Set([
  '/v1/chat/completions',
  '/v1/chat/completions/batch',
  '/v1/completions',
  '/v1/responses',
  '/v1/embeddings',
  '/v2/embed',
  '/pooling',
  '/classify',
  '/v1/score',
  '/score',
  '/v1/rerank',
  '/rerank',
  '/v2/rerank',
]);

/**
 * The body as it goes to `worker`. Where that begins with what is urgent it is told which calls have time: none goes before the others of
 * its class, whatever `priority` its client wrote, and any may go behind them. Bytes are added only where the worker would take the call
 * for more urgent than it is; any other body is the call's own, or the one that is given for it.
 */
export function bodyFor(call: Call, { view }: Worker, body = call.body): CallBody {
  const adapter = adapterOf(view);
  if (adapter.kind !== 'vllm') return foreignBody(body, call.route, adapter);
  const { peek, priority, route } = call;
  if (view.scheduling !== 'priority' || !ROUTES.has(route.path)) return body;
  const written = peek.enginePriority ?? 0;
  const least = priority === 'batch' ? BATCH_PRIORITY : 0;
  // What is no number is left for the worker to refuse.
  return written < least ? { ...body, bytes: withFieldAtEnd(body.bytes, `"priority":${least}`) } : body;
}
