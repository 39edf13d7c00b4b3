import { vllmKeys } from '../figures/vllm-keys.ts';
import type { LoadResult } from '../figures/load-result.ts';

/** The result as JSON: the keys of `vllm bench serve` first, and what they have no name for below `headgate`. `withCalls`: each call besides. */
export function resultJson(result: LoadResult, withCalls: boolean): string {
  const { summary, validity, asked, records } = result;
  const keys = vllmKeys(summary, records, { ...asked, startedAt: result.startedAt });
  const own = {
    kind: 'load',
    started_at: new Date(result.startedAt).toISOString(),
    interrupted: result.wasInterrupted,
    valid: validity.problems.length === 0,
    problems: validity.problems,
    wanted_rate: validity.wantedRate,
    achieved_rate: validity.achievedRate,
    schedule_delay_ms: summary.scheduleDelay,
    held_back_ms: summary.held,
    queue_ms: summary.queue,
    outcomes: summary.outcomes,
    errors: Object.fromEntries(summary.errorKinds),
    cached_tokens: summary.cachedTokens,
    slo: result.slo,
    asked: { ...asked },
    machine: result.machine,
    versions: result.versions,
    ...(withCalls ? { calls: records.map((record) => rounded(record)) } : {}),
  };
  return `${JSON.stringify({ ...keys, headgate: own }, null, 1)}\n`;
}

/** Times to the hundredth of a millisecond: more is noise, and megabytes of it. */
export function rounded(record: object): unknown {
  const round = (value: unknown): unknown =>
    typeof value === 'number' ? Math.round(value * 100) / 100 : Array.isArray(value) ? value.map(round) : value;
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, round(value)]));
}
