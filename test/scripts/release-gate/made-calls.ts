import type { CallRecord, Outcome } from '../../../scripts/load/calls/call-record.ts';
import type { Verdict } from '../../../scripts/release-gate/judging/verdict.ts';

interface Made {
  readonly at?: number;
  readonly ttft?: number;
  readonly outcome?: Outcome;
  readonly status?: number;
}

export function call({ at = 0, ttft = 50, outcome = 'ok', status = 200 }: Made = {}): CallRecord {
  return {
    ...{
      index: 0,
      scheduledMs: at,
      sentMs: at,
      headMs: at + 1,
      firstTokenMs: outcome === 'ok' ? at + ttft : NaN,
      lastTokenMs: at + ttft + 90,
    },
    ...{ endMs: at + (outcome === 'ok' ? ttft + 100 : ttft), outcome, status, code: outcome === 'ok' ? null : 'x' },
    ...{ inputTokens: 10, outputTokens: 10, cachedTokens: 0, worker: null, queueMs: NaN, windowMs: NaN, tokensAt: [] },
  };
}

export function calls(count: number, made: (i: number) => Made): CallRecord[] {
  return Array.from({ length: count }, (_, i) => call(made(i)));
}

/** What came of each criterion. */
export function outcomes(verdicts: readonly Verdict[]): Record<string, Verdict['outcome']> {
  return Object.fromEntries(verdicts.map(({ criterion, outcome }) => [criterion, outcome]));
}
