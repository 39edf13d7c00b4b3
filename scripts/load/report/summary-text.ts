import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import type { Distribution } from '../figures/distribution.ts';
import type { Summary } from '../figures/summary.ts';
import type { LoadResult } from '../figures/load-result.ts';

/** The result for a terminal. */
export function summaryText({ summary, validity, asked, slo, wasInterrupted }: LoadResult): string {
  const { calls, ok, errors, errorKinds } = summary;
  const lines = [
    `${asked.model} at ${asked.url}: ${asked.pace}; ${asked.prompts}; seed ${asked.seed}`,
    '',
    `calls        ${shown(calls)} in ${shownSpan(summary.durationMs)}: ${shown(ok)} answered, ${shown(errors)} errors${besides(summary)}`,
    ...errorKinds.slice(0, 8).map(([kind, count]) => `             ${shown(count)} × ${kind}`),
    `throughput   ${shown(summary.requestRate)} calls/s · ${shown(summary.outputTokenRate)} output tokens/s · ${shown(summary.totalTokenRate)} tokens/s`,
    ...(summary.goodput === null
      ? []
      : [`goodput      ${shown(summary.goodput)} calls/s within ${sloText(slo)} (${shown(share(summary))} % of all)`]),
    '',
    row('ms', ['mean', 'p50', 'p90', 'p95', 'p99', 'max']),
    ...distributions(summary).map(([name, of]) => row(name, figures(of))),
  ];
  const late = summary.scheduleDelay;
  if (validity.wantedRate !== null)
    lines.push(
      '',
      `schedule     ${shown(validity.achievedRate)} of ${shown(validity.wantedRate)} calls/s sent; late by ${shownMs(late.p50)} (p50), ${shownMs(late.p99)} (p99)`,
    );
  if (wasInterrupted) lines.push('INTERRUPTED  before its end: this is what there was until then');
  for (const problem of validity.problems) lines.push(`INVALID      ${problem}`);
  return `${lines.join('\n')}\n`;
}

/** The times worth a row: those that somebody had. */
export function distributions({ ttft, tpot, itl, e2e, queue }: Summary): (readonly [string, Distribution])[] {
  const all = [
    ['TTFT', ttft],
    ['TPOT', tpot],
    ['ITL', itl],
    ['E2E', e2e],
    ['queue', queue],
  ] as const;
  return all.filter(([, { count }]) => count > 0);
}

export function figures({ mean, p50, p90, p95, p99, max }: Distribution): string[] {
  return [mean, p50, p90, p95, p99, max].map(shown);
}

export function sloText(slo: LoadResult['slo']): string {
  return Object.entries(slo)
    .map(([name, most]) => `${name} ${shownMs(Number(most))}`)
    .join(', ');
}

function share({ goodput, calls, durationMs }: Summary): number {
  return calls === 0 ? NaN : ((goodput ?? 0) * (durationMs / 1000) * 100) / calls;
}

function besides({ outcomes }: Summary): string {
  const { cancelled = 0, unfinished = 0 } = outcomes;
  return [cancelled > 0 ? `, ${shown(cancelled)} hung up on purpose` : '', unfinished > 0 ? `, ${shown(unfinished)} unfinished` : ''].join(
    '',
  );
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(13) + cells.map((cell) => cell.padStart(9)).join('');
}
