import type { CallRecord } from '../calls/call-record.ts';

/**
 * How many tokens of an answer came from one moment to another (milliseconds, the second not included): by the events of its stream, each of
 * which brought as many as the others; without a stream all of them at its end.
 */
export function tokensWithin(
  { outputTokens, tokensAt, endMs }: Pick<CallRecord, 'outputTokens' | 'tokensAt' | 'endMs'>,
  from: number,
  to: number,
): number {
  const isIn = (at: number): boolean => at >= from && at < to;
  if (tokensAt.length === 0) return isIn(endMs) ? outputTokens : 0;
  return (outputTokens * tokensAt.filter(isIn).length) / tokensAt.length;
}
