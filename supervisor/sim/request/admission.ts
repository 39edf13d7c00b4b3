import { ApiError } from './api-error.ts';
import type { Sim } from '../engine/sim.ts';

const OTHERWISE = 'Please try again later or on a different instance.';

/**
 * Why a request of `n` answers finds no room: since 0.32 a server may be told how much it lets wait (`check_admission` in
 * vllm/v1/engine/async_llm.py). null: it is let in. What is refused is counted.
 */
export function admissionRefusal({ engine, settings }: Sim, n: number): ApiError | null {
  const { requests, tokens } = settings.maxQueued;
  const { unfinished, prefillTokens } = engine.load;
  if (requests !== null && unfinished + n > requests) {
    engine.metrics.refused.max_num_queued_reqs++;
    return busy(`The engine is currently busy and cannot accept new requests. ${OTHERWISE}`);
  }
  if (tokens === null || prefillTokens < tokens) return null;
  engine.metrics.refused.max_num_queued_tokens++;
  return busy(`The engine has reached its prefill token backlog limit. ${OTHERWISE}`);
}

function busy(message: string): ApiError {
  return new ApiError(503, 'Service Unavailable', message);
}

/** What is looked at before an answer is begun, of a stream as well. Throws ApiError. */
export function preflight(sim: Sim, n: number): void {
  const refusal = admissionRefusal(sim, n);
  if (refusal !== null) throw refusal;
}
