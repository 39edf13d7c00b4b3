import type { Standing, Standings } from './limiter.ts';

/** OpenAI's headers of limits, names and values in turn. */
export function limitHeaders({ requests, tokens }: Standings): readonly string[] {
  const headers: string[] = [];
  if (requests !== null) {
    headers.push('x-ratelimit-limit-requests', String(requests.limit));
    headers.push('x-ratelimit-remaining-requests', String(requests.remaining));
    headers.push('x-ratelimit-reset-requests', resetOf(requests));
  }
  if (tokens !== null) {
    headers.push('x-ratelimit-limit-tokens', String(tokens.limit));
    headers.push('x-ratelimit-remaining-tokens', String(tokens.remaining));
    // Mostly the same time as the other's: what was taken last was taken of both.
    headers.push('x-ratelimit-reset-tokens', requests?.resetMs === tokens.resetMs ? headers[5]! : resetOf(tokens));
  }
  return headers;
}

function resetOf({ resetMs }: Standing): string {
  return duration(resetMs);
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
  const seconds = Math.floor(whole / SECOND_MS);
  const hours = Math.floor(seconds / HOUR_S);
  const minutes = Math.floor((seconds % HOUR_S) / MINUTE_S);
  // Whole numbers: to write one with a fraction costs V8 several times as much.
  const rest = `${seconds % MINUTE_S}${fractionOf(whole % SECOND_MS)}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

/** `.5` for 500 milliseconds. */
function fractionOf(ms: number): string {
  if (ms === 0) return '';
  if (ms % 100 === 0) return `.${ms / 100}`;
  if (ms % 10 === 0) return ms < 100 ? `.0${ms / 10}` : `.${ms / 10}`;
  return ms < 10 ? `.00${ms}` : ms < 100 ? `.0${ms}` : `.${ms}`;
}
