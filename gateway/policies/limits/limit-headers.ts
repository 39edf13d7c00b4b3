import type { Standing, Standings } from './limiter.ts';

/** OpenAI's headers of limits, names and values in turn. */
export function limitHeaders({ requests, tokens }: Standings): readonly string[] {
  return [...headersOf('requests', requests), ...headersOf('tokens', tokens)];
}

function headersOf(what: string, standing: Standing | null): string[] {
  if (standing === null) return [];
  const { limit, remaining, resetMs } = standing;
  return [
    ...[`x-ratelimit-limit-${what}`, String(limit)],
    ...[`x-ratelimit-remaining-${what}`, String(remaining)],
    ...[`x-ratelimit-reset-${what}`, duration(resetMs)],
  ];
}

const SECOND_MS = 1_000;
const MINUTE_S = 60;
const HOUR_S = 3_600;

/** As Go writes a duration, which is what OpenAI sends: `0s`, `20ms`, `1.5s`, `6m0s`, `1h0m0s`. */
export function duration(ms: number): string {
  // Differences of times are off by the last bit of a fraction.
  const whole = Math.ceil(ms - 0.001);
  if (whole <= 0) return '0s';
  if (whole < SECOND_MS) return `${whole}ms`;
  const seconds = whole / SECOND_MS;
  const hours = Math.floor(seconds / HOUR_S);
  const minutes = Math.floor((seconds % HOUR_S) / MINUTE_S);
  const rest = Math.round((seconds % MINUTE_S) * SECOND_MS) / SECOND_MS;
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}
