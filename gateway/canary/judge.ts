import type { CanaryCriteria } from './criteria.ts';
import type { Observed } from './sample.ts';
import { chanceOfAtLeast, likelyShareAtMost, quantileAtMost, quantileOf } from './statistics.ts';

/** How sure it must be that a canary is worse. While a step runs it is looked at again and again, so that chance has many tries. */
export const SURE = { during: 0.0001, atEnd: 0.01 } as const;

const QUANTILE = 0.95;
const SHARE_ABOVE = 1 - QUANTILE;

interface Measure {
  readonly name: string;
  readonly of: (observed: Observed) => readonly number[];
  /** Calls that may come to be above a limit, and are so once they have taken longer. */
  readonly unfinished: (observed: Observed) => readonly number[];
  readonly ratio: (criteria: CanaryCriteria) => number;
  readonly limit: (criteria: CanaryCriteria) => number | null;
  /** What a busy machine adds by itself, in milliseconds: a ratio of next to nothing says nothing. */
  readonly noiseMs: number;
}

const MEASURES: readonly Measure[] = [
  {
    name: 'time to first token',
    of: ({ ttft }) => ttft,
    unfinished: ({ unheard }) => unheard,
    ratio: ({ canary }) => canary.p95_ttft_ratio,
    limit: ({ limits }) => limits.p95_ttft_ms,
    noiseMs: 5,
  },
  {
    name: 'time a token',
    of: ({ tpot }) => tpot,
    unfinished: () => [],
    ratio: ({ canary }) => canary.p95_tpot_ratio,
    limit: ({ limits }) => limits.p95_tpot_ms,
    noiseMs: 1,
  },
  {
    name: 'time of whole answers',
    of: ({ e2e }) => e2e,
    unfinished: ({ unended }) => unended,
    ratio: ({ canary }) => canary.p95_e2e_ratio,
    limit: ({ limits }) => limits.p95_e2e_ms,
    noiseMs: 5,
  },
];

/**
 * Why a canary is worse than it may be, in sentences; empty: nothing speaks against it. `main`: those beside it, at the same time. It takes
 * more than chance: so many failures, or so many calls above a limit of which one in twenty may be above it, must have less than the chance
 * `alpha` if the canary were as good as it has to be; and of those beside it the worst is believed that they may be.
 */
export function faultsOf(canary: Observed, main: Observed, criteria: CanaryCriteria, alpha: number): string[] {
  return [
    ...failures(canary, main, criteria, alpha),
    ...silences(canary, main, criteria, alpha),
    ...MEASURES.flatMap((measure) => tooLong(measure, canary, main, criteria, alpha)),
  ];
}

function failures(canary: Observed, main: Observed, criteria: CanaryCriteria, alpha: number): string[] {
  const { limits, canary: terms } = criteria;
  const [calls, others] = [canary.ok + canary.failed, main.ok + main.failed];
  const allowed = Math.max(limits.error_rate, (others === 0 ? 0 : likelyShareAtMost(main.failed, others)) + terms.error_rate_increase);
  if (chanceOfAtLeast(canary.failed, calls, Math.min(1, allowed)) >= alpha) return [];
  return [`${canary.failed} of its ${calls} calls failed, and ${main.failed} of ${others} at the others.`];
}

/** Streams that end well and say nothing have no times that could be too long. */
function silences(canary: Observed, main: Observed, { canary: terms }: CanaryCriteria, alpha: number): string[] {
  if (main.streams === 0) return [];
  const allowed = likelyShareAtMost(main.mute, main.streams) + terms.error_rate_increase;
  if (chanceOfAtLeast(canary.mute, canary.streams, Math.min(1, allowed)) >= alpha) return [];
  return [`${canary.mute} of its ${canary.streams} streams ended without a token, and ${main.mute} of ${main.streams} at the others.`];
}

function tooLong(measure: Measure, canary: Observed, main: Observed, criteria: CanaryCriteria, alpha: number): string[] {
  const { name, of, ratio, limit, noiseMs } = measure;
  const own = sorted(of(canary));
  const others = sorted(of(main));
  const p95s = `its p95 is ${ms(quantileOf(own, QUANTILE))}, that of the others ${ms(quantileOf(others, QUANTILE))}`;
  const most = limit(criteria);
  const above = (bound: number): { readonly hits: number; readonly draws: number } => {
    const late = measure.unfinished(canary).filter((sofar) => sofar > bound).length;
    return { hits: late + own.filter((value) => value > bound).length, draws: late + own.length };
  };
  if (others.length > 0) {
    const bound = quantileAtMost(others, QUANTILE) * ratio(criteria) + noiseMs;
    const { hits, draws } = above(bound);
    if (chanceOfAtLeast(hits, draws, SHARE_ABOVE) < alpha)
      return [`Its ${name} is too long: ${p95s}, and ${hits} of ${draws} calls took over ${ms(bound)} (${ratio(criteria)} times theirs).`];
  }
  // What the others do not keep to either is not the canary's doing.
  if (most === null || quantileOf(others, QUANTILE) > most) return [];
  const { hits, draws } = above(most);
  if (chanceOfAtLeast(hits, draws, SHARE_ABOVE) >= alpha) return [];
  return [`Its ${name} is too long: ${hits} of ${draws} calls took over ${ms(most)}, and ${p95s}.`];
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function ms(value: number): string {
  if (Number.isNaN(value)) return 'not known';
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
