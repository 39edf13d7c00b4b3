import { shown, shownMs } from '../../report/numbers.ts';
import type { Figures } from './outcome.ts';

/** What nineteen of twenty calls must keep to, in milliseconds, and how many may fail. */
export interface Objectives {
  readonly slo: { readonly ttft?: number; readonly tpot?: number; readonly itl?: number; readonly e2e?: number };
  /** From 0 to 1. */
  readonly maxErrors: number;
}

/** Which objective is broken, in words; null: none. What was not measured (a first token without a stream) breaks none. */
export function brokenBy({ p95, errorShare }: Figures, { slo, maxErrors }: Objectives): string | null {
  const broken = Object.entries(slo).flatMap(([name, most]) => {
    const value = p95[name as keyof typeof p95];
    return value > most ? [`p95 ${name} ${shownMs(value)} is over ${shownMs(most)}`] : [];
  });
  if (errorShare > maxErrors) broken.push(`${shown(errorShare * 100)} % of the calls failed (${shown(maxErrors * 100)} % allowed)`);
  return broken.length === 0 ? null : broken.join(', ');
}

export function objectivesText({ slo, maxErrors }: Objectives): string {
  const each = Object.entries(slo).map(([name, most]) => `p95 ${name} ≤ ${shownMs(most)}`);
  return [...each, `errors ≤ ${shown(maxErrors * 100)} %`].join(', ');
}
