import type { BatchRow } from '../state/store/batch-terms.ts';

/**
 * A batch that waits for a limit of its owner says so where one that pauses says why. It stops nobody: another process of the gateway, or
 * another gateway, may have room for it.
 */
const WAITS = 'waits: ';
/** What a refusal says to whoever asks by himself; until when a batch waits stands beside it. */
const ADVICE = / Please try again .*$/s;

/** @param refusal what the limit says */
export function waitReason(refusal: string): string {
  return WAITS + refusal.replace(ADVICE, '');
}

/** What it waits for; null: it pauses. */
export function whatWaitsFor(reason: string): string | null {
  return reason.startsWith(WAITS) ? reason.slice(WAITS.length) : null;
}

export function isWait({ reason }: Pick<NonNullable<BatchRow['pause']>, 'reason'>): boolean {
  return whatWaitsFor(reason) !== null;
}
