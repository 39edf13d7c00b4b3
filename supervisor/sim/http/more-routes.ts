import { chatCompletions } from '../chat/chat.ts';
import { ApiError } from '../request/api-error.ts';
import type { Exchange } from '../request/exchange.ts';

/** `POST /invocations`: SageMaker's name for whatever the body is a request for; here that is a chat. */
export function invocations(exchange: Exchange): Promise<void> {
  return chatCompletions(exchange);
}

const CLOSED = 'Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.';

/** What a prompt would look like, and tokens in and out: closed since 0.32 (vllm/entrypoints/scale_out/factories.py), and not simulated. */
export function scaledOut(exchange: Exchange): void {
  if (!exchange.sim.settings.scaleOut) throw new ApiError(403, 'PermissionDeniedError', CLOSED);
  throw new ApiError(501, 'NotImplementedError', 'The simulation has no scale-out endpoints.');
}
