import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import { chanceOfAtLeast } from '../../../gateway/canary/statistics.ts';
import { distributionOf } from '../../load/figures/distribution.ts';
import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import type { SoakSums } from './soak-sums.ts';
import { percent } from './steady.ts';
import { undecided, verdict, type Verdict } from './verdict.ts';

/** What the gateway said of itself at a moment of the run. */
export interface ProcessMoment {
  readonly atMs: number;
  readonly rssBytes: number;
  /** Open files and sockets; null: it does not say. */
  readonly files: number | null;
}

/** What is filled once and kept (caches, code that was compiled) is filled within this share of the run. */
const WARM_UP = 0.25;
const LEAST_MOMENTS = 10;
const LEAST_CALLS = 100;
const HOUR_MS = 3_600_000;
const MB = 1_000_000;
/** Memory is looked at in so many parts of equal length, by the median of each: what is collected and filled again is none of its growth. */
const PARTS = 10;
/** Student's t, two-sided 95 %, of as many differences as there are between the parts, less one. */
const T = 2.306;
/**
 * The variance of the slope through the medians of a random walk, in squared differences between neighbours and by the number of parts: 6/5
 * for the line, and 3/2 since medians over stretches of a walk follow each other more closely than the walk itself.
 */
const WALK = 1.8;
/** A shorter run says nothing of an hour; a little less, as looks do not come to the second. */
const LEAST_MS = 0.95 * 600_000;

export function soakVerdicts(
  sums: Pick<SoakSums, 'early' | 'late'>,
  moments: readonly ProcessMoment[],
  criteria: ReleaseCriteria,
): Verdict[] {
  const end = moments.at(-1)?.atMs ?? 0;
  const warm = moments.filter(({ atMs }) => atMs >= WARM_UP * end);
  return [memory(warm, end, criteria.soak), files(warm, criteria.soak), drift(sums, criteria.soak)];
}

/**
 * How fast a value grows: the straight line nearest to the medians of ten parts, and how far off it may be with 95 % confidence. What is
 * looked at again and again, such as the memory of a process, depends on what it was before, so it is held for a random walk, of all that
 * wanders without growing the worst: a line through one looks steep by itself. null: a part has no looks.
 */
export function growthOf(points: readonly (readonly [x: number, y: number])[]): { readonly slope: number; readonly give: number } | null {
  const [from, to] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0];
  const width = (to - from) / PARTS;
  if (!(width > 0)) return null;
  const parts = Array.from({ length: PARTS }, (_, part) =>
    points.filter(([x]) => Math.min(PARTS - 1, Math.floor((x - from) / width)) === part).map(([, y]) => y),
  );
  if (parts.some((of) => of.length === 0)) return null;
  const medians = parts.map((of) => distributionOf(of).p50);
  const middle = (PARTS - 1) / 2;
  const spread = medians.reduce((sum, _, part) => sum + (part - middle) ** 2, 0);
  const slope = medians.reduce((sum, value, part) => sum + (part - middle) * value, 0) / spread;
  const steps = medians.slice(1).map((value, part) => value - medians[part]!);
  const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
  const variance = steps.reduce((sum, step) => sum + (step - mean) ** 2, 0) / (steps.length - 1);
  return { slope: slope / width, give: (T * Math.sqrt((WALK * variance) / PARTS)) / width };
}

function memory(moments: readonly ProcessMoment[], endMs: number, { rss_mb_per_hour: most }: ReleaseCriteria['soak']): Verdict {
  const criterion = 'memory';
  if (endMs < LEAST_MS) return undecided(criterion, `${shownSpan(endMs)} are too short to see it grow: 10 min at least, --soak 10m.`);
  const growth = growthOf(moments.map(({ atMs, rssBytes }) => [atMs / HOUR_MS, rssBytes / MB]));
  if (growth === null) return undecided(criterion, `${moments.length} looks at /metrics are too few to see it grow.`);
  const { slope, give } = growth;
  const said = `The memory of the gateway grew by ${shown(slope)} MB an hour (± ${shown(give)}; under ${shown(most)} asked for).`;
  if (slope + give < most) return verdict(criterion, true, said);
  if (slope - give >= most) return verdict(criterion, false, said);
  return undecided(criterion, `${said} A longer soak can tell.`);
}

function files(moments: readonly ProcessMoment[], { sockets_growth: most }: ReleaseCriteria['soak']): Verdict {
  const known = moments.flatMap(({ files: open }) => (open === null ? [] : [open]));
  if (known.length < LEAST_MOMENTS) return undecided('open files', 'The gateway does not say how many files it has open.');
  const quarter = Math.ceil(known.length / 4);
  const [first, last] = [known.slice(0, quarter), known.slice(-quarter)].map((of) => distributionOf(of).p50);
  const said = `${shown(first)} files and sockets were open after the warm-up, ${shown(last)} at the end (${shown(most)} more allowed).`;
  return verdict('open files', last! - first! <= most, said);
}

function drift({ early, late }: Pick<SoakSums, 'early' | 'late'>, { p99_drift: most }: ReleaseCriteria['soak']): Verdict {
  const criterion = 'p99 drift';
  const fewer = Math.min(early.count, late.count);
  if (fewer < LEAST_CALLS) return undecided(criterion, `${fewer} calls in a quarter are too few for a p99; ${LEAST_CALLS} are needed.`);
  const [before, after] = [early.quantile(0.99), late.quantile(0.99)];
  const bound = before * (1 + most);
  const said = `p99 TTFT went from ${shownMs(before)} to ${shownMs(after)} (${percent(after / before - 1)}; ${percent(most)} allowed).`;
  if (after <= bound) return verdict(criterion, true, said);
  // A p99 is known by a few calls only: no more than chance are those that would fall into the later quarter as often by lot.
  const [above, all] = [late.above(bound), late.above(bound) + early.above(bound)];
  return chanceOfAtLeast(above, all, late.count / (late.count + early.count)) < 0.01
    ? verdict(criterion, false, said)
    : undecided(criterion, `${said} ${above} of ${shown(late.count)} calls are no more than chance: a longer soak can tell.`);
}
