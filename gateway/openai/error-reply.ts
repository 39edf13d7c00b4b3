import type { Dialect } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import { jitter, type Random } from '../core/random.ts';
import { errorBody } from './error-body.ts';

const DEFAULT_RETRY_MS = 1_000;
/** SDKs ignore or refuse longer waits; none of them adds jitter of its own to what a server names. */
const LONGEST_RETRY_S = 59;
/** The same in milliseconds, where no jitter is added: what is due within a minute is told as it is. */
const LONGEST_EXACT_MS = 59_999;
const JITTER = 0.3;
/** Leaves room for the jitter above: cut off, half of all clients would come back in the same millisecond. */
const LONGEST_BASE_MS = (LONGEST_RETRY_S * 1000) / (1 + JITTER);

export interface ErrorReplyParts {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** An error as an answer: status, headers and JSON. */
export function errorReplyParts(error: GatewayError, dialect: Dialect, random: Random): ErrorReplyParts {
  const { row, details, status } = error;
  let said = error;
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-headgate-reason': error.reason };
  // Where only an operator can help no time would be true.
  if (row.retry === true && !(details.hopeless && details.retryAfterMs === undefined)) {
    const base = Math.max(DEFAULT_RETRY_MS, Math.min(details.retryAfterMs ?? DEFAULT_RETRY_MS, LONGEST_BASE_MS));
    const jittered = Math.floor(jitter(random, base, JITTER));
    // What a worker asked for is no estimate: nobody comes back before.
    const least = error.kind === 'worker_busy' ? Math.min(details.retryAfterMs ?? 0, LONGEST_RETRY_S * 1000) : 0;
    let ms = least === 0 ? jittered : Math.min(Math.ceil(least + jittered * JITTER), LONGEST_RETRY_S * 1000);
    // A limit is true to the millisecond, and one asker's alone.
    if (error.kind === 'rate_limited' || error.kind === 'quota_exceeded')
      ms = Math.ceil(Math.min(Math.max(details.retryAfterMs ?? DEFAULT_RETRY_MS, 1), LONGEST_EXACT_MS));
    // Nor before a time that they are told of, as far as it may be told.
    if (details.namesTime) ms = Math.ceil(base + (jittered - base * (1 - JITTER)) / 2);
    const seconds = String(Math.min(Math.ceil(ms / 1000), LONGEST_RETRY_S));
    headers['retry-after'] = seconds;
    headers['retry-after-ms'] = String(ms);
    if (details.namesTime) {
      const why = (details.retryAfterMs ?? 0) > base ? ': clients wait a minute at most' : '';
      said = new GatewayError(error.kind, `${error.message} Ask again in ${seconds} s${why}.`, details);
    }
  }
  if (row.retry === false || details.hopeless) headers['x-should-retry'] = 'false';
  // RFC 9110 §15.5.2: how one says who one is.
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  if (details.allow !== undefined) headers['allow'] = details.allow;
  if (details.size !== undefined) headers['content-range'] = `bytes */${details.size}`;
  if (details.location !== undefined) headers['location'] = details.location;
  if (details.close) headers['connection'] = 'close';
  return { status, headers, body: JSON.stringify(errorBody(said, dialect)) };
}
