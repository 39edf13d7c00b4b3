import { GatewayError } from '../../core/errors.ts';

export type RejectionKind = 'queue_full' | 'queue_timeout' | 'kv_pressure';

/** What a call is told that gets no place. `namesTime`: the message says how long it takes. */
export function rejection(
  status: 503 | 429,
  kind: RejectionKind,
  message: string,
  when: { readonly retryAfterMs: number; readonly namesTime: boolean },
): GatewayError {
  if (kind === 'kv_pressure' || status === 503) return new GatewayError(kind, message, when);
  return new GatewayError(kind, message, { ...when, status: 429, type: 'rate_limit_error', code: 'slow_down' });
}
