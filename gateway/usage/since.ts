const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const AGO = /^(\d{1,6})([mhd])$/;
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/i;

/** The moment that `24h`, `7d`, `30m`, a day or a time of RFC 3339 stands for, in wall-clock milliseconds; null where it stands for none. */
export function sinceOf(text: string, now: number): number | null {
  const [, count, unit] = AGO.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return now - Number(count) * UNIT_MS[unit]!;
  // A plus in a query is a space.
  const written = text.replace(/ (?=\d\d:\d\d$)/, '+');
  const at = TIME.test(written) ? Date.parse(written.toUpperCase()) : NaN;
  return Number.isNaN(at) || !isDay(written.slice(0, 10)) ? null : at;
}

/** Whether there is such a day: the 30th of February would be read as one in March. */
function isDay(text: string): boolean {
  return new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);
}
