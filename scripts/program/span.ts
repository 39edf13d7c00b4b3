const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `30s`, `5m`, `1h`, `250ms`, or seconds without a unit, in milliseconds; null where it is none of them, or nothing. */
export function readSpan(text: string): number | null {
  const [, count, unit = 's'] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(text.trim()) ?? [];
  const ms = Number(count) * UNIT_MS[unit]!;
  return ms > 0 ? ms : null;
}
