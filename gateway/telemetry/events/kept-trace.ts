import type { Call } from '../../core/call.ts';

const SAMPLED = 0x01;

/**
 * The trace that a call is a part of, where somebody is known to keep it: we, or where we keep none the client, whose worker is told so by the
 * flag in its `traceparent`. null: none, or one that nobody may have kept.
 */
export function keptTraceId({ forward, trace }: Pick<Call, 'forward' | 'trace'>): string | null {
  if (trace !== null) return trace.kept === null ? null : trace.traceId;
  const [, traceId, , flags] = forward['traceparent']?.split('-') ?? [];
  if (traceId === undefined || flags === undefined) return null;
  return (Number.parseInt(flags, 16) & SAMPLED) === 0 ? null : traceId;
}
