import { rounded } from '../../load/report/result-json.ts';
import type { Comparison } from '../figures/comparison.ts';
import { metricKey } from '../figures/metric.ts';
import { type AbtestResult, isValid } from '../figures/result.ts';
import { verdictLines, warningLines } from './words.ts';

/** The result for other programs. Ends of intervals that are not known are null. `withCalls`: each call besides, by slot. */
export function resultJson(result: AbtestResult, withCalls: boolean): string {
  const { arms, slots, summaries, slo, trust, decision, comparisons, watched, asked } = result;
  const perArm = arms.map(({ name, settings, model, url }, arm) => {
    const own = slots.filter((slot) => slot.arm === arm);
    return { name, settings, model, url, slots: own.length, summary: summaries[arm] };
  });
  return `${JSON.stringify(
    {
      kind: 'abtest',
      started_at: new Date(result.startedAt).toISOString(),
      duration_s: result.durationMs / 1000,
      valid: isValid(result),
      problems: trust.problems,
      notes: trust.notes,
      interrupted: result.wasInterrupted,
      stopped: result.stopped,
      left_behind: result.leftBehind,
      verdict: [...warningLines(result), ...verdictLines(result)],
      keep: arms[decision.keep]!.name,
      why: decision.why.kind,
      also_better: decision.alsoBetter.map((arm) => arms[arm]!.name),
      blocks: { whole: result.wholeBlocks, wanted: result.wantedBlocks, fewest: result.fewestBlocks },
      comparisons: comparisons.map((one) => comparisonJson(result, one)),
      watched: watched.map((one) => comparisonJson(result, one)),
      guardrail: result.guardrail,
      arms: perArm,
      slots: slots.map(({ records, arm, ...slot }) => ({
        arm: arms[arm]!.name,
        ...slot,
        calls: withCalls ? records.map((record) => rounded(record)) : records.length,
      })),
      ...{ asked, slo, machine: result.machine, versions: result.versions },
    },
    null,
    1,
  )}\n`;
}

function comparisonJson({ arms }: AbtestResult, { metric, arm, interval, ...rest }: Comparison): object {
  const end = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return {
    metric: metricKey(metric),
    arm: arms[arm]!.name,
    baseline: arms[0]!.name,
    ...rest,
    interval: [end(interval.low), end(interval.high)],
  };
}
