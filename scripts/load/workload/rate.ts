/** A rate over a time: it goes from `from` to `to`, in calls a second, evenly over `seconds`. */
export interface RateStage {
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
}

/** How many calls the stages hold in all, and which moment each of them falls on. */
export interface RateCurve {
  readonly seconds: number;
  /** The calls expected over the whole time; not a whole number in general. */
  readonly calls: number;
  /** The second from which on more than `calls` calls are expected: the next is due then; `calls` from 0 to all of them. */
  secondOf(calls: number): number;
}

/** Sums of rates are as near as this to whole calls. */
const NEARLY = 1e-9;

/** The curve of these stages, one after another. */
export function rateCurve(stages: readonly RateStage[]): RateCurve {
  const ends: { readonly calls: number; readonly second: number }[] = [];
  let [calls, second] = [0, 0];
  for (const { from, to, seconds } of stages) {
    calls += ((from + to) / 2) * seconds;
    second += seconds;
    ends.push({ calls, second });
  }
  return {
    seconds: second,
    calls,
    secondOf(wanted) {
      // What is due when a stage ends belongs to the next that has a rate, not to a pause between them.
      const found = ends.findIndex((end) => wanted < end.calls - NEARLY);
      const at = found < 0 ? ends.length - 1 : found;
      const start = ends[at - 1] ?? { calls: 0, second: 0 };
      return start.second + withinStage(stages[at]!, Math.max(0, Math.min(wanted, calls) - start.calls));
    },
  };
}

/** Solves ∫ rate = calls within one stage. */
function withinStage({ from, to, seconds }: RateStage, calls: number): number {
  const slope = (to - from) / seconds;
  if (Math.abs(slope) < 1e-12) return from === 0 ? 0 : calls / from;
  return (Math.sqrt(Math.max(0, from * from + 2 * slope * calls)) - from) / slope;
}
