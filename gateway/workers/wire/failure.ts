import { GatewayError, type ErrorKind } from '../../core/errors.ts';
import type { UpstreamFailure } from '../../core/transport.ts';

/** What the client is told of each kind of failure. */
const TOLD = {
  short: 'queue_full',
  connect: 'upstream_disconnected',
  stale: 'upstream_disconnected',
  died: 'upstream_disconnected',
  nonsense: 'upstream_error',
} as const satisfies Record<UpstreamFailure['kind'], ErrorKind>;

export function failure(kind: UpstreamFailure['kind'], message: string, cause: Error | null): UpstreamFailure {
  return { kind, error: new GatewayError(TOLD[kind], message, { cause: cause ?? undefined }) };
}

/** No connection came about in its time. The request was never sent. */
export function tooLate(connectMs: number, cause: Error): GatewayError {
  const message = `No connection to the worker came about within ${connectMs} ms (timeouts.connect_ms). Retry shortly.`;
  return new GatewayError('upstream_timeout', message, { cause });
}
