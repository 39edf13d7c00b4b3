import type { CallSeen, Span } from '../law/call-seen.ts';
import { breaches, type Terms } from '../law/law.ts';
import { leaks, type Left } from '../law/leaks.ts';
import { type Facts, NOT_DOUBLED } from '../law/proofs.ts';
import type { Row, RowTerms } from './row.ts';
import { LIMIT_MS } from './settings.ts';

/** What was seen of a row, once it is over. */
export interface Judged {
  readonly facts: Facts;
  /** How many requests, connections or processes the fault has struck before it was over. */
  readonly strikes: number;
  /** Calls that were to be sent, and were not. */
  readonly dropped: number;
  /** What came of its lines; null: it had none. */
  readonly lines: { readonly lines: number; readonly failed: number; readonly faults: readonly string[] } | null;
  /** What is left of calls; null: nobody says. */
  readonly left: Left | null;
  /** How often the log tells the end of each call, by its id. */
  readonly ended: ReadonlyMap<string, number>;
  readonly internalErrors: readonly string[];
  /** What the whole answer to a call is; absent: its mark. */
  readonly expected?: Terms['expected'];
}

const STATUSES = [429, 502, 503, 504];

/** What is broken in a row, in words; empty: it is survived. */
export function judge(row: Pick<Row, 'terms' | 'allOk' | 'proofs'>, judged: Judged): string[] {
  const { facts, strikes, dropped, lines, left, ended, internalErrors, expected } = judged;
  const terms: Terms = { ...termsOf(row.terms ?? {}, [facts.struckMs, facts.soundMs]), ...(expected && { expected }) };
  return [
    ...(strikes === 0 ? ['the fault has struck nothing'] : []),
    ...(dropped > 0 ? [`${dropped} calls were never sent: too many were under way`] : []),
    ...breaches(facts.calls, ended, terms),
    ...[NOT_DOUBLED, ...(row.proofs ?? [])].flatMap((proof) => proof(facts)),
    ...(row.allOk === true ? costs(facts.calls, lines?.failed ?? 0) : []),
    ...(lines?.faults ?? []),
    ...internalErrors,
    ...(left === null ? ['nobody answers GET /stats and /metrics'] : leaks(left)),
  ];
}

/** `during`: while the fault lasted. */
function termsOf({ limitMs = LIMIT_MS, statuses = STATUSES, isKilled, mayRefuse, isSpoilt }: RowTerms, during: Span): Terms {
  const then = (is: true | undefined): readonly Span[] => (is === true ? [during] : []);
  return { limitMs, statuses, killed: then(isKilled), refusing: then(mayRefuse), spoilt: then(isSpoilt) };
}

/** What a row promises that is to cost nothing. */
function costs(calls: readonly CallSeen[], failedLines: number): string[] {
  const wrong = calls.filter(({ ending }) => ending !== 'ok' && ending !== 'left');
  return [
    ...wrong.map(({ id, ending, status, code }) => `${id} was to be answered, and was ${ending} (${status} ${code})`),
    ...(failedLines > 0 ? [`${failedLines} lines of the batch were to be answered, and have failed`] : []),
  ];
}
