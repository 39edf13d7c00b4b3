import { askServer } from '../../load/calls/ask-server.ts';
import type { Pace } from '../../load/calls/run-load.ts';
import { type LoadRun, runLoad } from '../../load/calls/run-load.ts';
import type { Target } from '../../load/calls/target.ts';
import { type Summary, summaryOf } from '../../load/figures/summary.ts';
import { validityOf } from '../../load/figures/validity.ts';
import { MOST_AT_ONCE } from '../../load/options.ts';
import type { PlannedLoad } from '../../load/plan-load.ts';
import { arrivals } from '../../load/workload/arrivals.ts';
import { seeded } from '../../load/workload/seeded.ts';
import type { Point } from '../grid/axes.ts';
import type { Figures } from '../grid/outcome.ts';
import type { TuneOptions } from '../asked/options.ts';
import { type SteadyRates, steadyRates } from './steady.ts';

/** So many more clients than sequences: whenever one ends, another waits. */
const CLIENTS_A_SEQUENCE = 1.1;
/** Of the calls a second that a point manages when every place is taken: as much as one would ask of it. */
const OPEN_SHARE = 0.8;
/** A point whose calls take longer is no point anyway. */
const MOST_RISE_MS = 120_000;
/** Loads that follow one another do not repeat prompts. */
const CALLS_APART = 10_000_000;
/** Where vLLM is told nothing. */
const USUAL_SEQUENCES = 256;

export interface Measured {
  readonly url: string;
  /** The engine's own address, for what only it counts. */
  readonly workerUrl: string;
  readonly model: string;
  readonly sequences: number;
  readonly planned: PlannedLoad;
}

export interface Progress {
  readonly signal: AbortSignal;
  readonly onPhase: (phase: string) => void;
}

export function sequencesOf({ flags }: Point, usual: Readonly<Record<string, unknown>>): number {
  const asked = flags['max_num_seqs'] ?? usual['max_num_seqs'];
  return typeof asked === 'number' ? asked : USUAL_SEQUENCES;
}

/**
 * Calls that do not count: what an engine compiles, it compiles at its first. @returns how long nineteen of twenty took, in milliseconds; null
 * when it was interrupted
 */
export async function warmUp(on: Measured, options: TuneOptions, { signal, onPhase }: Progress): Promise<number | null> {
  onPhase('warms up');
  const pace = { kind: 'closed', clients: clientsFor(on), calls: Infinity, forMs: options.warmupMs } as const;
  const { records, wasInterrupted, durationMs } = await load(on, options, pace, CALLS_APART, signal);
  return wasInterrupted ? null : summaryOf(records, durationMs, {}).e2e.p95 || 0;
}

/** One repeat, by number from 0. `callMs`: how long calls took in the warm-up. @returns null when it was interrupted */
export async function measure(
  on: Measured,
  options: TuneOptions,
  { repeat, callMs }: { readonly repeat: number; readonly callMs: number },
  { signal, onPhase }: Progress,
): Promise<Figures | null> {
  const first = (2 + repeat * 2) * CALLS_APART;
  const before = await preemptions(on.workerUrl);
  const finished = async (run: LoadRun, pace: Pace, rates: SteadyRates | null): Promise<Figures> =>
    figuresOf(run, pace, rates, (await preemptions(on.workerUrl)) - before);
  if (options.hasOwnPace) {
    const { pace } = on.planned;
    onPhase('is loaded');
    const run = await load(on, options, pace, first, signal);
    return run.wasInterrupted ? null : finished(run, pace, null);
  }
  onPhase('is filled');
  // After about one answer each the clients have fallen out of step; a load shorter than two would be all beginning.
  const riseMs = Math.min(callMs, MOST_RISE_MS);
  const full = { kind: 'closed', clients: clientsFor(on), calls: Infinity, forMs: riseMs + Math.max(options.loadMs, riseMs) } as const;
  const filled = await load(on, options, full, first, signal);
  if (filled.wasInterrupted) return null;
  const rates = steadyRates(filled.records, riseMs, full.forMs);
  if (!(rates.requestRate > 0)) return finished(filled, full, rates);
  onPhase('is asked');
  const open = openPace(options, rates.requestRate * OPEN_SHARE);
  const run = await load(on, options, open, first + CALLS_APART, signal);
  return run.wasInterrupted ? null : finished(run, open, rates);
}

/** `rates`: of the closed loop before; null: the load speaks for itself. */
function figuresOf(run: LoadRun, pace: Pace, rates: SteadyRates | null, preempted: number): Figures {
  const summary = summaryOf(run.records, run.durationMs, {});
  const { problems } = validityOf(
    pace,
    run.records.map(({ sentMs }) => sentMs),
    summary,
  );
  return {
    outputTokenRate: rates?.outputTokenRate ?? summary.outputTokenRate,
    requestRate: rates?.requestRate ?? summary.requestRate,
    p95: { e2e: summary.e2e.p95, ttft: summary.ttft.p95, tpot: summary.tpot.p95, itl: summary.itl.p95 },
    errorShare: errorShare(summary),
    calls: summary.calls,
    preemptions: preempted,
    problems,
  };
}

function errorShare({ calls, errors }: Summary): number {
  return calls === 0 ? 1 : errors / calls;
}

/** A Poisson process of at least two calls, however slow the point is. */
function openPace({ load: { seed }, loadMs }: TuneOptions, rate: number): Pace {
  const seconds = Math.max(loadMs / 1000, 2 / rate);
  return {
    kind: 'open',
    at: arrivals([{ from: rate, to: rate, seconds }], { kind: 'gamma', shape: 1 }, seeded(seed)),
    mostAtOnce: MOST_AT_ONCE,
  };
}

function load(
  { url, model, planned }: Measured,
  { load: options }: TuneOptions,
  pace: Pace,
  firstIndex: number,
  signal: AbortSignal,
): Promise<LoadRun> {
  const { endpoint, stream, headers, extra, timeoutMs, seed, cancelShare } = options;
  const target: Target = { base: url, endpoint, model, stream, headers, extra, timeoutMs };
  return runLoad({ target, pace, prompts: planned.prompts, seed, cancelShare, firstIndex }, { signal });
}

function clientsFor({ sequences }: Measured): number {
  return Math.max(1, Math.ceil(sequences * CLIENTS_A_SEQUENCE));
}

/** 0 where the engine does not count them, or does not answer. */
async function preemptions(workerUrl: string): Promise<number> {
  try {
    return preemptionsIn((await askServer(`${workerUrl}/metrics`)).text);
  } catch {
    return 0;
  }
}

/** Of all the engine's lines for it: each data-parallel rank has its own. */
export function preemptionsIn(page: string): number {
  return [...page.matchAll(/^vllm:num_preemptions_total(?:\{[^}]*\})? (\S+)$/gm)].reduce((sum, [, value]) => sum + (Number(value) || 0), 0);
}
