import type { FailureCause, Verdict } from '../../core/attempt.ts';
import type { Route } from '../../core/call.ts';
import { GatewayError } from '../../core/errors.ts';
import { Ending, type Outcome, type Reply } from '../../core/reply.ts';
import type { UpstreamHead } from '../../core/transport.ts';
import { looksLikeJson } from '../../openai/answer-check.ts';
import { isMessageGivenUp, isResponseGivenUp } from '../../openai/given-up.ts';
import { findFinishReason } from '../../openai/usage.ts';
import type { ErrorReader } from '../../engines/adapter.ts';

/** What a worker's answer, read to its end before any of it went out, amounts to. */
type Judged =
  | { readonly kind: 'good'; readonly finishReason: string | null }
  | { readonly kind: 'bad'; readonly error: GatewayError; readonly cause: FailureCause; readonly verdict: Verdict };

/** Pure. Only where answers have choices is a finish reason one; elsewhere it is what a client had echoed. */
export function judgeWhole(head: UpstreamHead, body: Buffer, { path, streamEnd, dialect }: Route, errors: ErrorReader): Judged {
  if (head.status !== 200) return judgeError(body.toString('utf8'), head, path, errors);
  if (head.contentType.startsWith('text/event-stream')) {
    return failed(new GatewayError('upstream_disconnected', 'The worker ended the stream before its first event.'), 'incomplete');
  }
  if (head.contentType.includes('json') && !looksLikeJson(body)) {
    return failed(new GatewayError('upstream_error', 'The worker’s answer is not complete JSON.'), 'bad_json');
  }
  const finishReason = streamEnd === 'done-event' ? findFinishReason(body) : null;
  const isGivenUp =
    finishReason === 'abort' || (dialect === 'anthropic' && isMessageGivenUp(body)) || (dialect === 'responses' && isResponseGivenUp(body));
  if (isGivenUp) return failed(new GatewayError('upstream_error', 'The worker gave the request up.'), 'aborted');
  return { kind: 'good', finishReason };
}

function judgeError(text: string, { status, retryAfterMs }: UpstreamHead, path: string, errors: ErrorReader): Judged {
  if (status === 500 && errors.tellsShutdown(text))
    return { kind: 'bad', error: stopping(), cause: 'stopping', verdict: { kind: 'neutral' } };
  const error = errors.from(status, text, path, retryAfterMs);
  if (error.kind === 'worker_busy') return { kind: 'bad', error, cause: 'busy', verdict: { kind: 'neutral' } };
  // A worker that says what is wrong with a request is well.
  if (error.row.origin === 'client') return { kind: 'bad', error, cause: 'final', verdict: { kind: 'success' } };
  return failed(error, `status_${status}`, errors.tellsDeath(text) ? 'died' : 'failed');
}

function failed(error: GatewayError, reason: string, cause: FailureCause = 'failed'): Judged {
  const verdict: Verdict = cause === 'died' ? { kind: 'failure', reason } : { kind: 'failure', reason, doubtful: true };
  return { kind: 'bad', error, cause, verdict };
}

/** Of a worker that takes nothing new because it is about to end. */
export function stopping(): GatewayError {
  return new GatewayError('no_worker', 'The worker is being shut down and takes no new requests.', { retryAfterMs: 5_000 });
}

/** Of a worker that was taken to serve the call's model, and has not got it. It is no mistake of the client's, and may be mended soon. */
export function unserved(model: string, status: number): GatewayError {
  const says = status === 404 ? 'does not serve it any more' : 'has nobody for it just now';
  const message = `The worker that was asked for ${model} says that it ${says}.`;
  return new GatewayError('no_worker', message, { retryAfterMs: 5_000 });
}

const COMPLETE: Outcome = { kind: 'complete', status: 200 };

export function wholeReply(head: UpstreamHead, bytes: Buffer): Reply {
  return {
    status: 200,
    headers: { 'content-type': head.contentType || 'application/json', ...(head.metadata !== undefined && { metadata: head.metadata }) },
    body: { kind: 'bytes', bytes },
    relayed: true,
    ended: new Ending(),
    outcome: () => COMPLETE,
  };
}
