/** What was seen in one second, by name: `kv:WORKER`, `gpu:0:memory` and `refused:REASON` beside those that are always there. */
export interface Point {
  /** Seconds since the epoch. */
  readonly t: number;
  readonly values: Readonly<Record<string, number>>;
}

/** Seen alike by all processes of a gateway. */
const ALIKE = /^(?:kv|gpu|run):/;
/** Milliseconds: not to be added, but to be weighed by how many calls they are of. */
const SPREAD = /^(first|token)_p\d+$/;

/** One point of those that several processes have of the same second. Medians are weighed by calls, which is close, and all that can be had. */
export function mergedPoint([first, ...others]: readonly [Point, ...Point[]]): Point {
  if (others.length === 0) return first;
  const all = [first, ...others];
  const names = new Set(all.flatMap(({ values }) => Object.keys(values)));
  const values: Record<string, number> = {};
  for (const name of names) {
    const having = all.filter((point) => point.values[name] !== undefined);
    const [speaker] = having;
    if (ALIKE.test(name)) {
      values[name] = speaker!.values[name]!;
      continue;
    }
    const of = SPREAD.exec(name)?.[1];
    if (of === undefined) values[name] = having.reduce((sum, point) => sum + point.values[name]!, 0);
    else {
      const weights = having.map((point) => point.values[`${of}_count`] ?? 1);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      values[name] = having.reduce((sum, point, i) => sum + point.values[name]! * weights[i]!, 0) / total;
    }
  }
  return { t: first.t, values };
}

/** The points of several processes, one a second. */
export function mergedPoints(parts: readonly (readonly Point[])[]): Point[] {
  if (parts.length === 1) return [...parts[0]!];
  const bySecond = Map.groupBy(parts.flat(), ({ t }) => t);
  return [...bySecond.values()].map((points) => mergedPoint(points as [Point, ...Point[]])).toSorted((a, b) => a.t - b.t);
}

/** The same, up to the last second that each of them has taken down: of a later one, what the others saw is still to come. */
export function wholeSeconds(parts: readonly (readonly Point[])[]): Point[] {
  const last = Math.min(...parts.flatMap((points) => points.at(-1)?.t ?? []));
  return mergedPoints(parts).filter(({ t }) => t <= last);
}
