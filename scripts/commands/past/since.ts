const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The moment that `12h`, `90m`, `7d` or an ISO time stands for, in wall-clock milliseconds; null where it stands for none. */
export function momentOf(text: string, nowMs: number): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(text) ?? [];
  const isAgo = count !== undefined && unit !== undefined;
  const at = isAgo ? nowMs - Number(count) * UNIT_MS[unit]! : /^\d{4}-/.test(text) ? Date.parse(text) : NaN;
  // Before the first day of the calendar there is none.
  return Number.isNaN(new Date(at).getTime()) ? null : at;
}
