import { GatewayError } from '../core/errors.ts';
import { sinceOf } from './since.ts';
import { summed } from './usage-book.ts';
import type { StoreFailure, UsageRow, UsageSum } from '../state/store/words.ts';

const HOUR_MS = 3_600_000;
const DEFAULT_SINCE = '24h';
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** GET /admin/usage: who used what, by key and model, most tokens first. Whole hours of UTC. */
export interface UsageReport {
  readonly since: string;
  readonly until: string;
  readonly usage: readonly {
    readonly key: string;
    readonly model: string;
    readonly requests: number;
    readonly prompt_tokens: number;
    /** Of the prompt tokens, those that the worker had in its cache. */
    readonly cached_tokens: number;
    readonly completion_tokens: number;
  }[];
  /** What is missing; null: nothing. */
  readonly problem: string | null;
}

/** What may be asked. */
export interface UsageQuestion {
  readonly since: number;
  readonly key: string | null;
}

/** @param query by name @param now wall-clock milliseconds @throws invalid_value */
export function usageQuestion(query: Readonly<Record<string, string>>, now: number): UsageQuestion {
  const { since, key, ...others } = query;
  // What is not heeded would be taken for an answer to it.
  for (const name of Object.keys(others)) {
    throw new GatewayError('invalid_value', 'What may be asked for is since and key.', { param: name.slice(0, 40) });
  }
  const from = sinceOf(since ?? DEFAULT_SINCE, now);
  if (from === null) {
    const message = 'since is no time: write 30m, 24h, 7d, a day such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z.';
    throw new GatewayError('invalid_value', message, { param: 'since' });
  }
  if (key !== undefined && !KEY.test(key)) {
    throw new GatewayError('invalid_value', 'key is the name of a key: letters, digits, dots, dashes and underscores.', { param: 'key' });
  }
  return { since: Math.floor(from / HOUR_MS) * HOUR_MS, key: key ?? null };
}

/** @param written what the file has, or why it is not known @param unwritten what it has not yet */
export function usageReport(
  { since, key }: UsageQuestion,
  written: readonly UsageSum[] | StoreFailure,
  unwritten: readonly UsageRow[],
  now: number,
): UsageReport {
  const wanted = unwritten.filter((row) => row.hour * HOUR_MS >= since && (key === null || row.key === key));
  const isKnown = !('ok' in written);
  return {
    since: new Date(since).toISOString(),
    until: new Date(now).toISOString(),
    usage: summed([...(isKnown ? written : []), ...wanted]).map((sum) => ({
      key: sum.key,
      model: sum.model,
      requests: sum.requests,
      prompt_tokens: sum.promptTokens,
      cached_tokens: sum.cachedTokens,
      completion_tokens: sum.completionTokens,
    })),
    problem: isKnown ? null : `Only what was used since the database could be written last: ${written.message}.`,
  };
}
