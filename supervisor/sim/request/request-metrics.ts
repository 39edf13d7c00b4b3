import type { Choice } from '../engine/choice.ts';

/** The times of one request, in vLLM's `metrics`. */
export function requestMetrics(choice: Choice): object {
  const generation = choice.lastTokenAt - choice.firstTokenAt;
  const later = Math.max(1, choice.generated - 1);
  return {
    time_to_first_token_ms: choice.firstTokenAt - choice.scheduledAt,
    generation_time_ms: generation,
    queue_time_ms: choice.scheduledAt - choice.arrivedAt,
    mean_itl_ms: generation / later,
    tokens_per_second: generation > 0 ? (later * 1000) / generation : 0,
  };
}
