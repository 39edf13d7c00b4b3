import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import type { Fit, FitModel } from './fit.ts';
import { estimateFit } from './fit.ts';
import type { DefaultsCard, FitFlags } from './flags.ts';
import { readFitFlags } from './flags.ts';
import type { EngineSettings } from '../profile/schema.ts';

/** Settings with which a model fits, where those that were asked for did not let it. */
export interface Relaxed {
  readonly engine: EngineSettings;
  readonly fit: Fit;
  /** What was changed, in the order in which it was: setting, what it was, what it is. */
  readonly changes: readonly { readonly setting: string; readonly from: EngineValue; readonly to: EngineValue }[];
}

/** How far settings may be relaxed. */
export interface RelaxLimits {
  readonly contextTokens: number;
  readonly seqs: number;
  readonly batchedTokens: number;
  /** Requests of the full length that the cache must hold at once. */
  readonly concurrency: number;
  /** Whether to do without CUDA graphs, which costs speed. */
  readonly eager: boolean;
}

/** What still serves well. */
export const COMFORTABLE: RelaxLimits = { contextTokens: 4096, seqs: 8, batchedTokens: 1024, concurrency: 2, eager: false };
/** What still serves at all. */
export const BARELY: RelaxLimits = { contextTokens: 2048, seqs: 2, batchedTokens: 512, concurrency: 1, eager: true };

type Remedy = (engine: EngineSettings, flags: FitFlags, fit: Fit) => Record<string, EngineValue> | null;

/**
 * Relaxes one setting after the other until the model fits: graphs and batch first, since they cost least, the context last. Never a
 * setting in `fixed`. null when it does not fit within `limits`.
 */
export function relaxToFit(
  modelOf: (engine: EngineSettings) => FitModel,
  engine: EngineSettings,
  card: DefaultsCard,
  limits: RelaxLimits,
  fixed: ReadonlySet<string>,
): Relaxed | null {
  const changes: { setting: string; from: EngineValue; to: EngineValue }[] = [];
  let current = engine;
  for (;;) {
    const flags = readFitFlags(current, card);
    const fit = estimateFit(modelOf(current), flags, card.memoryGib);
    if (fit.verdict !== 'no' && fit.concurrency >= limits.concurrency) return { engine: current, fit, changes };
    if (fit.cause === 'weights') return null;
    const next = steps(limits)
      .map((step) => step(current, flags, fit))
      .find((change) => change !== null && !Object.keys(change).some((setting) => fixed.has(setting)));
    if (!next) return null;
    for (const [setting, to] of Object.entries(next)) {
      const known = changes.findIndex((change) => change.setting === setting);
      const from = known >= 0 ? (changes.splice(known, 1)[0]?.from ?? null) : (current[setting] ?? null);
      changes.push({ setting, from, to });
    }
    current = { ...current, ...next };
  }
}

function roundDown(tokens: number): number {
  const step = tokens >= 4096 ? 1024 : 256;
  return Math.floor(tokens / step) * step;
}

function steps(limits: RelaxLimits): readonly Remedy[] {
  const halve = (setting: string, value: number, least: number) =>
    value > least ? { [setting]: Math.max(least, Math.floor(value / 2)) } : null;
  return [
    // Sequences decide on graphs and on the sampler; half of many is still many.
    (_, flags) => (flags.maxNumSeqs > 32 ? halve('max_num_seqs', flags.maxNumSeqs, Math.max(32, limits.seqs)) : null),
    (_, flags) => halve('max_num_batched_tokens', flags.maxNumBatchedTokens, Math.max(limits.batchedTokens, 1024, flags.maxNumSeqs)),
    (_engine, _flags, fit) => {
      const longest = roundDown(fit.largestContextTokens / limits.concurrency);
      return longest >= limits.contextTokens && longest < fit.contextTokens ? { max_model_len: longest } : null;
    },
    (_, flags) => halve('max_num_seqs', flags.maxNumSeqs, limits.seqs),
    (_, flags) => halve('max_num_batched_tokens', flags.maxNumBatchedTokens, Math.max(limits.batchedTokens, flags.maxNumSeqs)),
    (engine) => (limits.eager && engine['enforce_eager'] !== true ? { enforce_eager: true } : null),
  ];
}

/** Such as `max_model_len 6144 instead of 8192`. */
export function describeChanges(changes: Relaxed['changes']): string {
  return changes.map(({ setting, from, to }) => `${setting} ${String(to)}${from === null ? '' : ` instead of ${String(from)}`}`).join(', ');
}
