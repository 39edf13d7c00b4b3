import type { CallRecord } from '../load/calls/call-record.ts';
import { steadyVerdicts } from './judging/steady.ts';
import { collapseVerdict, type StepFigure } from './judging/step.ts';
import { spikeVerdicts } from './judging/spike.ts';
import type { Ground, ProfileResult } from './ground.ts';

const SHARES = [0.25, 0.5, 0.75, 1, 1.25, 1.5] as const;
/** Well within capacity, where the limits hold. */
const USUAL_SHARE = 0.75;
const STEP_SECONDS = 60;

/** One rate after another, to beyond what the server can do. */
export async function step(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, signal } = ground.options;
  const parts = [];
  const steps: StepFigure[] = [];
  const records: CallRecord[] = [];
  let verdicts: ReturnType<typeof steadyVerdicts> = [];
  for (const share of SHARES) {
    if (signal.aborted) break;
    show(`step: ${share * 100} % of capacity`);
    const seconds = ground.seconds(STEP_SECONDS);
    const rate = ground.capacity * share;
    const run = await ground.open([{ from: rate, to: rate, seconds }]);
    if (signal.aborted) break;
    const summary = ground.summary(run);
    parts.push({ name: `${share * 100} % of capacity`, summary });
    // Over the time in which calls came: those that take long beyond it are good or not by themselves.
    const good = (summary.goodput ?? summary.requestRate) * (run.durationMs / 1000);
    steps.push({ share, goodput: good / seconds });
    if (share === USUAL_SHARE) verdicts = steadyVerdicts(summary, criteria, `at ${share * 100} % of capacity`);
    records.push(...run.records);
  }
  return { kind: 'ran', verdicts: [...verdicts, collapseVerdict(steps, criteria)], figures: { steps }, parts, records };
}

const BASE_SHARE = 0.25;
const SPIKE_FACTOR = 10;
const SPIKE = { before: 60, spike: 10, after: 45 } as const;

/** A quiet load, ten times as much for a moment, and quiet again. */
export async function spike(ground: Ground): Promise<ProfileResult> {
  const { criteria, show } = ground.options;
  show('spike');
  const base = ground.capacity * BASE_SHARE;
  const [before, peak] = [ground.seconds(SPIKE.before), ground.seconds(SPIKE.spike)];
  // Long enough for the recovery that is asked for, and for calls to tell it by, however quick the rest is.
  const after = Math.max(ground.seconds(SPIKE.after), criteria.spike.recovery_ms / 1000 + 30 / base);
  const run = await ground.open([
    { from: base, to: base, seconds: before },
    { from: base * SPIKE_FACTOR, to: base * SPIKE_FACTOR, seconds: peak },
    { from: base, to: base, seconds: after },
  ]);
  const times = { fromMs: before * 1000, toMs: (before + peak) * 1000 };
  const part = (name: string, from: number, to: number) => ({
    name,
    summary: ground.summary({
      records: run.records.filter(({ scheduledMs }) => scheduledMs >= from && scheduledMs < to),
      durationMs: to - from,
    }),
  });
  return {
    kind: 'ran',
    verdicts: spikeVerdicts(run.records, times, criteria),
    figures: { ...times, base_rate: base },
    parts: [
      part('before', 0, times.fromMs),
      part('spike', times.fromMs, times.toMs),
      part('after', times.toMs, (before + peak + after) * 1000),
    ],
    records: run.records,
  };
}
