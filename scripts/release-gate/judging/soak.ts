import type { ReleaseCriteria } from '../../../gateway/canary/criteria.ts';
import { chanceOfAtLeast } from '../../../gateway/canary/statistics.ts';
import type { CallRecord } from '../../load/calls/call-record.ts';
import { percentile } from '../../load/figures/distribution.ts';
import { ttftOf } from '../../load/figures/times.ts';
import { shown, shownMs } from '../../report/numbers.ts';
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
/** Two-sided 95 %, of many moments. */
const Z = 1.96;

export function soakVerdicts(records: readonly CallRecord[], moments: readonly ProcessMoment[], criteria: ReleaseCriteria): Verdict[] {
  const end = moments.at(-1)?.atMs ?? 0;
  const warm = moments.filter(({ atMs }) => atMs >= WARM_UP * end);
  return [memory(warm, criteria.soak), files(warm, criteria.soak), drift(records, criteria.soak)];
}

/** The slope of the straight line nearest to the points, and how far off it may be with 95 % confidence. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): { readonly slope: number; readonly give: number } {
  const count = points.length;
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / count;
  const [mx, my] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  if (count < 3 || spread === 0) return { slope: 0, give: Infinity };
  const slope = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / spread;
  const left = points.reduce((sum, [x, y]) => sum + (y - my - slope * (x - mx)) ** 2, 0);
  return { slope, give: Z * Math.sqrt(left / (count - 2) / spread) };
}

function memory(moments: readonly ProcessMoment[], { rss_mb_per_hour: most }: ReleaseCriteria['soak']): Verdict {
  const criterion = 'memory';
  if (moments.length < LEAST_MOMENTS) return undecided(criterion, `${moments.length} looks at /metrics are too few to see it grow.`);
  const { slope, give } = slopeOf(moments.map(({ atMs, rssBytes }) => [atMs / HOUR_MS, rssBytes / MB]));
  const said = `The memory of the gateway grew by ${shown(slope)} MB an hour (± ${shown(give)}; under ${shown(most)} asked for).`;
  if (slope + give < most) return verdict(criterion, true, said);
  if (slope - give >= most) return verdict(criterion, false, said);
  return undecided(criterion, `${said} A longer soak can tell.`);
}

function files(moments: readonly ProcessMoment[], { sockets_growth: most }: ReleaseCriteria['soak']): Verdict {
  const known = moments.flatMap(({ files: open }) => (open === null ? [] : [open]));
  if (known.length < LEAST_MOMENTS) return undecided('open files', 'The gateway does not say how many files it has open.');
  const quarter = Math.ceil(known.length / 4);
  const [first, last] = [known.slice(0, quarter), known.slice(-quarter)].map((of) =>
    percentile(
      of.toSorted((a, b) => a - b),
      0.5,
    ),
  );
  const said = `${shown(first)} files and sockets were open after the warm-up, ${shown(last)} at the end (${shown(most)} more allowed).`;
  return verdict('open files', last! - first! <= most, said);
}

function drift(records: readonly CallRecord[], { p99_drift: most }: ReleaseCriteria['soak']): Verdict {
  const criterion = 'p99 drift';
  const end = records.reduce((latest, { scheduledMs }) => Math.max(latest, scheduledMs), 0);
  const of = (from: number, to: number): number[] =>
    records
      .filter(({ outcome, scheduledMs }) => outcome === 'ok' && scheduledMs >= from * end && scheduledMs < to * end)
      .map(ttftOf)
      .filter((value) => !Number.isNaN(value))
      .toSorted((a, b) => a - b);
  const [early, late] = [of(0.25, 0.5), of(0.75, 1.001)];
  if (early.length < LEAST_CALLS || late.length < LEAST_CALLS)
    return undecided(
      criterion,
      `${Math.min(early.length, late.length)} calls in a quarter are too few for a p99; ${LEAST_CALLS} are needed.`,
    );
  const [before, after] = [percentile(early, 0.99), percentile(late, 0.99)];
  const bound = before * (1 + most);
  const said = `p99 TTFT went from ${shownMs(before)} to ${shownMs(after)} (${percent(after / before - 1)}; ${percent(most)} allowed).`;
  if (after <= bound) return verdict(criterion, true, said);
  // One in a hundred may lie above its p99: only more than chance makes a drift of it.
  const above = late.filter((value) => value > bound).length;
  return chanceOfAtLeast(above, late.length, 0.01) < 0.01
    ? verdict(criterion, false, said)
    : undecided(criterion, `${said} ${above} of ${shown(late.length)} calls are no more than chance: a longer soak can tell.`);
}
