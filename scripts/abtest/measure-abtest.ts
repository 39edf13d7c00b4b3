import { randomBytes } from 'node:crypto';
import type { Target } from '../load/calls/target.ts';
import { warmUp } from '../load/calls/warm-up.ts';
import type { AdminDoor, Place } from '../load/place.ts';
import { serverFacts } from '../load/server-facts.ts';
import { Shown } from '../report/shown.ts';
import { armSummaries } from './figures/arm-summaries.ts';
import { compare, fewestBlocksOf, type Judging, wholeBlocks } from './figures/comparison.ts';
import { decide } from './figures/decision.ts';
import { opinionsOf } from './figures/guardrail.ts';
import { metricKey } from './figures/metric.ts';
import type { AbtestResult } from './figures/result.ts';
import { trustOf } from './figures/trust.ts';
import { type GatewayView, viewOf, windowOf } from './live/gateway-view.ts';
import { runSlots, type SlotRun } from './live/run-slots.ts';
import { Trial } from './live/trial.ts';
import type { AbtestOptions } from './options.ts';
import { type PlannedAbtest, planAbtest } from './plan-abtest.ts';
import { BlockLine } from './report/block-line.ts';

/** Beyond its slot's length a trial holds so long: until the next is laid, and after the death of who laid it. */
const SPARE_SECONDS = 30;

/** The gateway whose settings are compared, and by which order. */
interface Tried {
  readonly door: AdminDoor;
  readonly trial: Trial;
  readonly view: GatewayView;
  readonly asksWindow: boolean;
}

/** Finds whom to ask, runs every slot, and compares. @throws Error in words for what stands in the way of a start */
export async function measureAbtest(options: AbtestOptions, place: Place, signal: AbortSignal): Promise<AbtestResult> {
  const { arms, load, slotMs, settleMs, blocks, judged, confidence } = options;
  const planned = planAbtest(options);
  const headers = { ...(load.key === null ? {} : { authorization: `Bearer ${load.key}` }), ...load.headers };
  const own = arms.some(({ url }) => url === null) ? (load.url ?? (await place.findGateway(load.where))) : null;
  const { targets, versions } = await targetsOf(options, own, headers);
  const machine = place.machine();
  const startedAt = Date.now();
  const began = performance.now();
  const tried = await openTrial(options, place, own);
  let ran: SlotRun;
  let leftBehind: string | null = null;
  try {
    await warmUp(targets, planned.prompts, load, signal);
    ran = await runShown(options, planned, targets, tried, signal);
  } finally {
    leftBehind = (await tried?.trial.end()) ?? null;
    if (leftBehind !== null) process.stderr.write(`headgate abtest: ${leftBehind}\n`);
  }
  const whole = wholeBlocks(ran.slots, arms.length);
  const judging: Judging = { arms: arms.length, judged, confidence, slo: load.slo, seed: load.seed };
  const comparisons = compare(whole, judged, judging);
  const watched = judged.some(({ kind }) => kind === 'errors') ? [] : compare(whole, [{ kind: 'errors' }], judging);
  const names = arms.map(({ name }) => name);
  return {
    ...{
      startedAt,
      durationMs: performance.now() - began,
      arms,
      slots: ran.slots,
      summaries: armSummaries(arms.length, ran.slots, load.slo),
      comparisons,
      watched,
      slo: load.slo,
      machine,
      leftBehind,
    },
    ...{ wholeBlocks: whole.length, wantedBlocks: blocks, fewestBlocks: fewestBlocksOf(judging) },
    ...{ wasInterrupted: signal.aborted, stopped: ran.stopped },
    decision: decide(comparisons, watched),
    trust: trustOf(whole, names, settleMs),
    guardrail: guardrailOf(options, tried, whole),
    asked: {
      ...{ urls: [...new Set(targets.map(({ base }) => base))], models: [...new Set(targets.map(({ model }) => model))] },
      ...{ endpoint: load.endpoint, stream: load.stream, label: load.label, seed: load.seed, confidence, slotMs, settleMs },
      ...{ pace: planned.paceText, prompts: planned.promptsText, judged: judged.map(metricKey), before: tried?.view.before ?? null },
    },
    versions: { headgate: place.version, server: versions },
  };
}

async function targetsOf(
  { arms, load }: AbtestOptions,
  own: string | null,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly targets: readonly Target[]; readonly versions: unknown }> {
  const { endpoint, stream, extra, timeoutMs } = load;
  const facts = new Map<string, Awaited<ReturnType<typeof serverFacts>>>();
  for (const base of new Set(arms.map(({ url }) => url ?? own!))) facts.set(base, await serverFacts(base, headers));
  const targets = arms.map(({ url, model: named }) => {
    const base = url ?? own!;
    const model = named ?? load.model ?? facts.get(base)!.models[0];
    if (model === undefined) throw new Error(`${base} serves no model yet; name one: --model ID.`);
    return { base, endpoint, model, stream, headers, extra, timeoutMs };
  });
  const versions = Object.fromEntries([...facts].map(([base, { version }]) => [base, version]));
  return { targets, versions: facts.size === 1 ? Object.values(versions)[0] : versions };
}

/** Lays the baseline, so that a test which may not be made does not begin. null: no settings are compared. */
async function openTrial(
  { arms, load, slotMs, settleMs, adminKey }: AbtestOptions,
  place: Place,
  own: string | null,
): Promise<Tried | null> {
  const paths = Object.keys(arms[0]!.settings ?? {});
  if (paths.length === 0 || own === null) return null;
  const door = await place.findAdmin(load.where, own, adminKey);
  const trial = new Trial(door, `abtest-${randomBytes(4).toString('hex')}`);
  try {
    const view = await viewOf(door, paths);
    // All of them, the baseline last: a value that is refused is known before the first call.
    for (const { settings } of arms.toReversed()) await trial.lay(settings ?? {}, secondsOf(slotMs + settleMs));
    return { door, trial, view, asksWindow: paths.includes('batch_window.window_ms') };
  } catch (error) {
    await trial.end();
    throw new Error(`${(error as Error).message}.`);
  }
}

function secondsOf(lengthMs: number): number {
  return Math.ceil(lengthMs / 1000) + SPARE_SECONDS;
}

async function runShown(
  { arms, load, slotMs, settleMs, blocks }: AbtestOptions,
  planned: PlannedAbtest,
  targets: readonly Target[],
  tried: Tried | null,
  signal: AbortSignal,
): Promise<SlotRun> {
  const lengthMs = slotMs + settleMs;
  const line = new BlockLine(
    arms.map(({ name }) => name),
    blocks,
    lengthMs,
  );
  const started = performance.now();
  const shown = new Shown(() => line.text(performance.now() - started));
  const { slots, paceOf, prompts } = planned;
  try {
    return await runSlots(
      { slots, targets, paceOf, prompts, settleMs, lengthMs, seed: load.seed, cancelShare: load.cancelShare },
      {
        lay: async (arm) => tried?.trial.lay(arms[arm]!.settings ?? {}, secondsOf(lengthMs)),
        look: async (arm) => (tried?.asksWindow === true ? windowOf(tried.door, targets[arm]!.model) : null),
        onSlot: (slot) => line.slot(slot, performance.now() - started),
        onEnd: (record, underWay) => line.note(record, underWay),
        signal,
      },
    );
  } finally {
    shown.end();
  }
}

function guardrailOf({ arms }: AbtestOptions, tried: Tried | null, whole: ReturnType<typeof wholeBlocks>): AbtestResult['guardrail'] {
  const settings = tried?.view.guardrail ?? null;
  if (settings === null || tried?.asksWindow !== true) return null;
  const wanted = arms.map((arm) => Number(arm.settings?.['batch_window.window_ms']));
  return { settings, opinions: opinionsOf(whole.flat(), wanted, settings) };
}
