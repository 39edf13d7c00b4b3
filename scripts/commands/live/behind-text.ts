/** What is behind a name, and what stands in for it. A gateway of before these were told says nothing of them. */
export function behindText({
  id,
  pool = null,
  fallback = [],
}: {
  readonly id?: string;
  readonly pool?: readonly string[] | null;
  readonly fallback?: readonly string[];
}): string[] {
  const members = pool === null ? [] : [`is a pool of ${pool.join(', ')}`];
  const others = fallback.length === 0 ? [] : [`falls back to ${fallback.join(', then ')}`];
  const says = [...members, ...others];
  return says.length === 0 ? [] : [`${id} ${says.join(' and ')}`];
}
