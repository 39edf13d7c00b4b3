import type { CallRecord } from '../calls/call-record.ts';

/** From the moment at which it was due to its first token, in milliseconds; NaN without one. A server that stalls makes those wait that would have come meanwhile: that is in it. */
export function ttftOf({ firstTokenMs, scheduledMs }: CallRecord): number {
  return firstTokenMs - scheduledMs;
}

/** From the moment at which it was due to its end, in milliseconds. */
export function e2eOf({ endMs, scheduledMs }: CallRecord): number {
  return endMs - scheduledMs;
}

/**
 * The time of each token after the first, in milliseconds, as `vllm bench serve` has it; NaN for fewer than two. Of a server that does not tell
 * how many tokens there were it is the time of each event of the stream, which may bring several.
 */
export function tpotOf({ firstTokenMs, lastTokenMs, outputTokens }: CallRecord): number {
  return outputTokens > 1 ? (lastTokenMs - firstTokenMs) / (outputTokens - 1) : NaN;
}

/** The gaps between the events of its stream, in milliseconds. */
export function itlsOf({ tokensAt }: CallRecord): number[] {
  return tokensAt.slice(1).map((at, i) => at - tokensAt[i]!);
}

export function itlMeanOf({ firstTokenMs, lastTokenMs, tokensAt }: CallRecord): number {
  return tokensAt.length > 1 ? (lastTokenMs - firstTokenMs) / (tokensAt.length - 1) : NaN;
}

/** How late it was sent, in milliseconds, whosever fault that was. */
export function scheduleDelayOf({ sentMs, scheduledMs }: CallRecord): number {
  return Math.max(0, sentMs - scheduledMs);
}

/** The part of it for which it was held back, because all places of the run were taken. */
export function heldOf({ heldMs = 0 }: CallRecord): number {
  return heldMs;
}

/** The rest: how late the load itself was. */
export function ownDelayOf(record: CallRecord): number {
  return Math.max(0, scheduleDelayOf(record) - heldOf(record));
}
