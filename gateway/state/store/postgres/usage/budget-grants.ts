import type { PendingQuery } from 'postgres';
import { LEASE_MS, shareOf } from '../../usage-rules.ts';
import type { Grant, Spend, Want } from '../../words.ts';
import type { Fragment, Statements } from '../statements.ts';

/** How a budget stands for one who wants of it. */
export interface Standing {
  readonly spent: number;
  /** What all others that live were granted. */
  readonly others: number;
  /** What he was granted last. */
  readonly own: number;
}

/**
 * Counts what was spent, and locks all of these budgets until the transaction is over: always in the same order, so that nobody waits in a
 * circle. What others were granted is to be read by a later statement: only that one sees all that those did who had the locks before.
 */
export function countSpent(sql: Statements, spends: readonly Spend[], wants: readonly Want[]): Fragment {
  const all = [...spends, ...wants.map(({ subject, window, endsAt }) => ({ subject, window, endsAt, tokens: 0 }))];
  // A row for which the last condition does not hold is locked all the same.
  return sql`
    INSERT INTO spent (subject, period, tokens, ends_at)
    SELECT subject, period, sum(tokens), max(ends_at)
    FROM unnest(${all.map(({ subject }) => subject)}::text[], ${all.map(({ window }) => window)}::text[],
      ${all.map(({ tokens }) => tokens)}::bigint[], ${all.map(({ endsAt }) => endsAt)}::bigint[]) AS said (subject, period, tokens, ends_at)
    GROUP BY subject, period ORDER BY subject, period
    ON CONFLICT (subject, period) DO UPDATE SET tokens = spent.tokens + excluded.tokens WHERE excluded.tokens <> 0`;
}

/** One for each want, in their order; they hold as long as the locks of `countSpent`. */
export function standingsOf(sql: Statements, holder: string, wants: readonly Want[], time: Fragment): PendingQuery<Standing[]> {
  return sql<Standing[]>`
    SELECT spent.tokens AS spent,
      (SELECT coalesce(sum(grants.tokens), 0)::bigint FROM grants JOIN usage_holders ON usage_holders.id = grants.holder
       WHERE grants.subject = wanted.subject AND grants.period = wanted.period AND grants.holder <> ${holder}
         AND seen_at > ${time} - ${LEASE_MS} * interval '1 millisecond') AS others,
      coalesce((SELECT grants.tokens FROM grants
       WHERE grants.subject = wanted.subject AND grants.period = wanted.period AND grants.holder = ${holder}), 0) AS own
    FROM unnest(${wants.map(({ subject }) => subject)}::text[], ${wants.map(({ window }) => window)}::text[])
      WITH ORDINALITY AS wanted (subject, period, place)
    JOIN spent USING (subject, period) ORDER BY place`;
}

/** Hands out of each budget what it can. Where that is what was granted before, nothing is written. */
export async function grantIn(
  sql: Statements,
  holder: string,
  wants: readonly Want[],
  standings: readonly Standing[],
): Promise<readonly Grant[]> {
  const all = wants.map((want, i) => {
    const { spent, others, own } = standings[i]!;
    return { subject: want.subject, window: want.window, granted: shareOf(want, spent, others), spent, own };
  });
  const changed = all.filter(({ granted, own }) => granted !== own);
  const named = (some: typeof all) =>
    sql`unnest(${some.map(({ subject }) => subject)}::text[], ${some.map(({ window }) => window)}::text[],
      ${some.map(({ granted }) => granted)}::bigint[]) AS told (subject, period, tokens)`;
  const [kept, given] = [changed.filter(({ granted }) => granted > 0), changed.filter(({ granted }) => granted === 0)];
  await Promise.all([
    kept.length > 0 &&
      sql`
        INSERT INTO grants (subject, period, holder, tokens) SELECT subject, period, ${holder}, tokens FROM ${named(kept)}
        ON CONFLICT (subject, period, holder) DO UPDATE SET tokens = excluded.tokens`,
    given.length > 0 &&
      sql`
        DELETE FROM grants USING ${named(given)}
        WHERE grants.subject = told.subject AND grants.period = told.period AND grants.holder = ${holder}`,
  ]);
  return all.map(({ subject, window, granted, spent }) => ({ subject, window, granted, spent }));
}
