/** A name in a model's `pool` or `fallback` that nobody serves. `near`: what may have been meant; null: nothing is like it. */
export interface Unserved {
  readonly name: string;
  readonly in: 'pool' | 'fallback';
  readonly near: string | null;
}

interface Named {
  readonly id: string;
  readonly pool?: readonly string[] | null;
  readonly fallback?: readonly string[];
}

/**
 * Names behind models that no worker serves, by model: for whoever has heard of all workers what they serve. A fallback may be a pool.
 *
 * @param nearest the name of the second that is most like the first, where one is
 */
export function unservedNames(
  models: readonly Named[],
  served: ReadonlySet<string>,
  nearest: (name: string, known: readonly string[]) => string | null,
): ReadonlyMap<string, readonly Unserved[]> {
  const pools = new Set(models.flatMap(({ id, pool }) => (pool == null ? [] : [id])));
  const found = models.map(({ id, pool, fallback = [] }) => {
    const members = pool ?? [];
    const taken = new Set([id, ...members, ...fallback]);
    const free = (names: Iterable<string>): string[] => [...names].filter((name) => !taken.has(name));
    const missing = [
      ...members.filter((name) => !served.has(name)).map((name) => ({ name, in: 'pool' as const, near: nearest(name, free(served)) })),
      ...fallback
        .filter((name) => !served.has(name) && !pools.has(name))
        .map((name) => ({ name, in: 'fallback' as const, near: nearest(name, free([...served, ...pools])) })),
    ];
    return [id, missing] as const;
  });
  return new Map(found.filter(([, missing]) => missing.length > 0));
}

/** "chat: its pool names qwen-q, which no worker serves; did you mean qwen-b?" */
export function unservedText(model: string, { name, in: where, near }: Unserved): string {
  return `${model}: its ${where} names ${name}, which no worker serves${near === null ? '' : `; did you mean ${near}?`}`;
}
