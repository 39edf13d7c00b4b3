import { HOLDER_KEPT_MS, keptSince, KEY_SUBJECT } from '../../usage-rules.ts';
import type { PostgresLink } from '../link.ts';
import type { Fragment, Statements } from '../statements.ts';

/** Rows that go at once, and how often that may be. */
const GONE_ROWS = 5_000;
const MOST_ROUNDS = 20;

/**
 * Takes away what has been kept long enough. Whose clock is ahead of the server's takes no more for that: it would forget what others know.
 * @param now wall-clock ms here @param timeOf the server's
 */
export async function forgetOld(link: PostgresLink, now: number, timeOf: (sql: Statements) => Fragment): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const gone = await link.ask(async (sql) => {
      const time = timeOf(sql);
      const [server] = await sql<{ now: number }[]>`SELECT (extract(epoch FROM ${time}) * 1000)::bigint AS now`;
      const { hour, ofKeys, ofAddresses } = keptSince(Math.min(now, server?.now ?? now));
      // Those that somebody has in hand at this moment have time.
      const some = sql`LIMIT ${GONE_ROWS} FOR UPDATE SKIP LOCKED`;
      const usage = await sql`DELETE FROM usage WHERE ctid = ANY(ARRAY(SELECT ctid FROM usage WHERE hour < ${hour} ${some}))`;
      const spent = await sql`
        DELETE FROM spent WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM spent WHERE ends_at < ${ofKeys} OR (ends_at < ${ofAddresses} AND subject NOT LIKE ${KEY_SUBJECT}) ${some}))`;
      await sql`
        WITH gone AS (
          DELETE FROM usage_holders WHERE seen_at < ${time} - ${HOLDER_KEPT_MS} * interval '1 millisecond' RETURNING id
        )
        DELETE FROM grants USING gone WHERE holder = id`;
      return Math.max(usage.count, spent.count);
    });
    if (gone < GONE_ROWS) return;
  }
}
