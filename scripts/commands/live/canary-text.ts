import type { CanaryFigures, CanaryStatus } from '../../../gateway/canary/status.ts';
import { columns } from '../../../gateway/core/log/columns.ts';

/** How a canary stands, from the answer of /admin/canary, on one line. */
export function canaryLine({ state, group, percent, step, canary, main }: CanaryStatus): string {
  if (state !== 'running' || step === null || canary === null || main === null) return `canary: ${state.replace('_', ' ')}`;
  const parts = [
    `${group} ${percent} %`,
    `${step.elapsed_seconds} of ${step.seconds} s`,
    `${canary.calls} of ${step.min_calls} calls`,
    `${canary.failed} failed`,
    `TTFT ${ms(canary.p95_ttft_ms)}, others ${ms(main.p95_ttft_ms)}`,
  ];
  return parts.join(' · ');
}

/** The same as lines: how it stands, what its calls came to, and what has happened. */
export function canaryText(status: CanaryStatus): string {
  const { group, serving, canary, main, history, message } = status;
  const lines = [message];
  if (canary !== null && main !== null && group !== null) {
    const head = ['GROUP', 'CALLS', 'FAILED', 'P95 TTFT', 'P95 A TOKEN', 'P95 WHOLE'];
    lines.push(canaryLine(status), '', ...columns([head, row(group, canary), row(serving, main)]));
  }
  if (history.length > 0) lines.push('', ...history.map(({ at, message: what }) => `${at.slice(0, 19).replace('T', ' ')} UTC  ${what}`));
  return `${lines.join('\n')}\n`;
}

function row(group: string, { calls, failed, p95_ttft_ms, p95_tpot_ms, p95_e2e_ms }: CanaryFigures): string[] {
  return [group, String(calls), String(failed), ms(p95_ttft_ms), ms(p95_tpot_ms), ms(p95_e2e_ms)];
}

function ms(value: number | null): string {
  return value === null ? '-' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
