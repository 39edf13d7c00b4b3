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
