import type { Collected } from '../../core/collect.ts';
import type { ErrorKind, GatewayError } from '../../core/errors.ts';
import type { Outcome } from '../../core/reply.ts';
import type { Answered } from '../output-line.ts';

/** What comes of a line that has been tried. */
export type Sorted =
  /** It has its answer. */
  | { readonly kind: 'answered'; readonly answer: Answered }
  /** The request is at fault: no other try would do better. */
  | { readonly kind: 'refused'; readonly answer: Answered }
  /** A worker failed it: it is tried again, so and so often. */
  | { readonly kind: 'failed'; readonly answer: Answered }
  /** Not its fault: it goes back, and its model is left alone for `afterMs`. */
  | {
      readonly kind: 'later';
      readonly why: ErrorKind;
      readonly whose: 'line' | 'model';
      readonly afterMs: number;
      readonly answer: Answered;
    }
  /** Its owner has nothing left of a limit: it goes back, and no line of him is tried for `afterMs`. */
  | { readonly kind: 'limited'; readonly message: string; readonly afterMs: number }
  /** Its owner may have nothing for so long that its batch says so. */
  | { readonly kind: 'spent'; readonly message: string; readonly afterMs: number }
  /** Its owner's key is not good any more. */
  | { readonly kind: 'keyless'; readonly message: string }
  /** We took it back ourselves. */
  | { readonly kind: 'taken back' };

/** How long to wait where nobody says so. */
const USUAL_MS = 1_000;
/** A shorter wait is none, and a longer one could miss that things have got better. */
const SHORTEST_MS = 50;
const LONGEST_MS = 10_000;

/** Refusals that only say that it is too early, and what they say it of. */
const EARLY: ReadonlyMap<ErrorKind, 'line' | 'model'> = new Map<ErrorKind, 'line' | 'model'>([
  ...(['queue_full', 'queue_timeout', 'kv_pressure', 'breaker_open', 'worker_busy', 'model_loading', 'no_worker'] as const).map(
    (kind): [ErrorKind, 'model'] => [kind, 'model'],
  ),
  ['draining', 'model'],
  ['store_unavailable', 'model'],
  // Its worker died: the guard for requests that kill workers (422) decides how often.
  ['upstream_disconnected', 'line'],
  ['idempotency_in_progress', 'line'],
]);

/**
 * Sorts an end: what is final, what counts against the line, and what does not. `takenBack`: its call was cancelled by us.
 * Pure.
 */
export function sorted({ outcome, status, bytes }: Pick<Collected, 'outcome' | 'status' | 'bytes'>, takenBack: boolean): Sorted {
  switch (outcome.kind) {
    case 'complete':
      return status < 400 ? { kind: 'answered', answer: { status, bytes } } : { kind: 'refused', answer: { status, bytes } };
    case 'disconnected':
      return { kind: 'taken back' };
    case 'refused':
    case 'broken':
      return takenBack ? { kind: 'taken back' } : sortedError(outcome.error, { status, bytes }, outcome.kind);
  }
}

/** The same of an error, with what a client would have been told of it. */
export function sortedError(
  error: GatewayError,
  answer: Answered,
  how: Extract<Outcome['kind'], 'refused' | 'broken'> = 'refused',
): Sorted {
  const { kind, row, details, message } = error;
  const afterMs = Math.max(SHORTEST_MS, details.retryAfterMs ?? USUAL_MS);
  if (kind === 'quota_exceeded' && details.retryAfterMs !== undefined) return { kind: 'spent', message, afterMs };
  if (kind === 'rate_limited' && !details.hopeless) return { kind: 'limited', message, afterMs };
  if (kind === 'invalid_api_key') return { kind: 'keyless', message };
  const whose = details.onlyThis ? 'line' : EARLY.get(kind);
  if (whose !== undefined) return { kind: 'later', why: kind, whose, afterMs: Math.min(afterMs, LONGEST_MS), answer };
  // An answer that had begun is none of a refusal.
  if (row.origin === 'client' && how === 'refused') return { kind: 'refused', answer };
  return { kind: 'failed', answer };
}
