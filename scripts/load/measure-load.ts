import type { Target } from './calls/target.ts';
import { summaryOf } from './figures/summary.ts';
import { validityOf } from './figures/validity.ts';
import type { LoadResult } from './figures/load-result.ts';
import type { Place } from './place.ts';
import type { LoadOptions } from './options.ts';
import { type PlannedLoad, planLoad } from './plan-load.ts';
import { LiveLine } from './report/live-line.ts';
import { Shown } from '../report/shown.ts';
import { type LoadRun, runLoad } from './calls/run-load.ts';
import { warmUp } from './calls/warm-up.ts';
import { serverFacts } from './server-facts.ts';

/** Finds whom to ask, warms up, and runs the load to its end. @throws Error in words for what stands in the way of a start */
export async function measureLoad(options: LoadOptions, place: Place, signal: AbortSignal): Promise<LoadResult> {
  const planned = planLoad(options);
  const base = options.url ?? (await place.findGateway(options.where));
  const headers = { ...(options.key === null ? {} : { authorization: `Bearer ${options.key}` }), ...options.headers };
  const facts = await serverFacts(base, headers);
  const model = options.model ?? facts.models[0];
  if (model === undefined) throw new Error(`${base} serves no model yet; name one: --model ID.`);
  const { endpoint, stream, extra, timeoutMs, slo, seed, cancelShare, label } = options;
  const target: Target = { base, endpoint, model, stream, headers, extra, timeoutMs };
  const machine = place.machine();
  await warmUp([target], planned.prompts, options, signal);
  const run = await runShown(target, planned, options, signal);
  const summary = summaryOf(run.records, run.durationMs, slo);
  const sentMs = run.records.map(({ sentMs: at }) => at);
  const { paceText: pace, promptsText: prompts, requestRate, burstiness, mostAtOnce } = planned;
  return {
    ...{ startedAt: run.startedAt, wasInterrupted: run.wasInterrupted, summary, records: run.records, slo, machine },
    validity: validityOf(planned.pace, sentMs, summary, run.wasInterrupted),
    asked: { url: base, endpoint, model, stream, label, seed, pace, prompts, requestRate, burstiness, mostAtOnce, cancelShare },
    versions: { headgate: place.version, server: facts.version },
  };
}

async function runShown(
  target: Target,
  { pace, prompts }: PlannedLoad,
  { seed, cancelShare }: LoadOptions,
  signal: AbortSignal,
): Promise<LoadRun> {
  const [calls, lengthMs] =
    pace.kind === 'open' ? [pace.at.length, pace.at.at(-1) ?? 0] : [Number.isFinite(pace.calls) ? pace.calls : null, pace.forMs];
  const line = new LiveLine(calls, lengthMs);
  const started = performance.now();
  const shown = new Shown(() => line.text(performance.now() - started));
  try {
    return await runLoad(
      { target, pace, prompts, seed, cancelShare },
      { onEnd: (record, underWay) => line.note(record, underWay), signal },
    );
  } finally {
    shown.end();
  }
}
