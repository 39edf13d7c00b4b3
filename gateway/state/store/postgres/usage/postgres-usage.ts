import type { Clock } from '../../../../core/clock.ts';
import type { UsageRecords } from '../../ports.ts';
import { StoreFailed } from '../../store-failed.ts';
import { HOLDER_KEPT_MS, LEASE_MS, MOST_TOLD, PRUNE_MS } from '../../usage-rules.ts';
import type { Exchange, Exchanged, Grant, Spend, StoreFailure, UsageRow, UsageSum } from '../../words.ts';
import { countSpent, grantIn, standingsOf } from './budget-grants.ts';
import type { PostgresLink } from '../link.ts';
import type { Fragment, Statements } from '../statements.ts';
import { type Piece, piecesOf } from './pieces.ts';
import { forgetOld } from './retention.ts';

/** All who live say so within this time. */
const SILENCE_MS = 10_000;
const SERVER_TIME = 'clock_timestamp()';

type About = Pick<Exchanged, 'database' | 'processes'>;

/** Usage and budgets, which the gateways of several machines write and hand out together. Leases are by the clock of the server. */
export class PostgresUsage implements UsageRecords {
  readonly kind = 'server';
  readonly place: string;
  readonly #link: PostgresLink;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #timeOf: (sql: Statements) => Fragment;
  /** Monotonic ms. */
  #heardAt = -Infinity;
  /** Wall-clock ms. */
  #prunedAt = -Infinity;

  /** @param time SQL for a moment: another clock, for tests */
  constructor(link: PostgresLink, place: string, clock: Pick<Clock, 'now'>, time = SERVER_TIME) {
    this.place = place;
    this.#link = link;
    this.#clock = clock;
    this.#timeOf = (sql) => sql.unsafe(time) as unknown as Fragment;
  }

  exchange(exchange: Exchange): Promise<Exchanged | StoreFailure> {
    return answered(async () => {
      if (this.#clock.now() - this.#heardAt >= SILENCE_MS) await this.#renewLeases();
      const grants: Grant[] = [];
      let about: About | null = null;
      for (const piece of piecesOf(exchange)) {
        const done = await this.#link.together((sql) => this.#exchangeIn(sql, exchange, piece));
        grants.push(...done.grants);
        ({ about } = done);
      }
      const spent = exchange.asksSpent ? await this.#link.ask((sql) => spentIn(sql, exchange.now)) : null;
      this.#heardAt = this.#clock.now();
      this.#prune(exchange.now);
      return { ...about!, grants, spent };
    });
  }

  usage(fromHour: number, key: string | null): Promise<readonly UsageSum[] | StoreFailure> {
    return answered(() =>
      this.#link.ask(async (sql) => {
        const rows = await sql<UsageSum[]>`
          SELECT key, model, sum(requests)::bigint AS requests, sum(prompt_tokens)::bigint AS "promptTokens",
            sum(cached_tokens)::bigint AS "cachedTokens", sum(completion_tokens)::bigint AS "completionTokens"
          FROM usage WHERE hour >= ${fromHour} AND ${key === null ? sql`true` : sql`key = ${key}`} GROUP BY key, model`;
        return [...rows];
      }),
    );
  }

  /** Locks are taken in one order by all: the holder, budgets, grants of his own, usage. */
  async #exchangeIn(
    sql: Statements,
    { holder, batch }: Exchange,
    { number, usage, spends, wants }: Piece,
  ): Promise<{ readonly grants: readonly Grant[]; readonly about: About }> {
    const time = this.#timeOf(sql);
    const [mine] = await sql<{ isNew: boolean }[]>`
      INSERT INTO usage_holders AS mine (id, last_batch, last_piece, seen_at) VALUES (${holder}, 0, 0, ${time})
      ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
      RETURNING (last_batch, last_piece) < (${batch.number}, ${number}) AS "isNew"`;
    const written = mine?.isNew ? { usage, spends } : { usage: [], spends: [] };
    const isBudgeted = written.spends.length + wants.length > 0;
    // Sent in this order, without waiting in between: others wait for what is locked.
    const counted = isBudgeted && countSpent(sql, written.spends, wants).execute();
    const standing = isBudgeted && standingsOf(sql, holder, wants, time).execute();
    const [, standings, about] = await Promise.all([counted, standing, aboutIn(sql, time)]);
    const [grants] = await Promise.all([
      grantIn(sql, holder, wants, standings || []),
      written.usage.length > 0 && writeUsage(sql, written.usage),
      written.usage.length + written.spends.length > 0 &&
        sql`UPDATE usage_holders SET last_batch = ${batch.number}, last_piece = ${number} WHERE id = ${holder}`,
    ]);
    return { grants, about };
  }

  /**
   * Where nobody at all was heard for longer than those who live are silent, it is the server that was away: what they hold they hold still,
   * and they will say so. Whoever is back first leaves it to them for a lease.
   */
  async #renewLeases(): Promise<void> {
    await this.#link.ask((sql) => {
      const time = this.#timeOf(sql);
      const ms = sql`interval '1 millisecond'`;
      return sql`
        WITH last AS (SELECT max(seen_at) AS at FROM usage_holders), living AS (
          SELECT id FROM usage_holders, last
          WHERE last.at BETWEEN ${time} - ${HOLDER_KEPT_MS} * ${ms} AND ${time} - ${SILENCE_MS} * ${ms}
            AND seen_at > last.at - ${LEASE_MS} * ${ms}
          ORDER BY id FOR UPDATE OF usage_holders
        )
        UPDATE usage_holders SET seen_at = ${time} FROM living WHERE usage_holders.id = living.id`;
    });
  }

  #prune(now: number): void {
    if (Math.abs(now - this.#prunedAt) < PRUNE_MS) return;
    this.#prunedAt = now;
    // There is time.
    forgetOld(this.#link, now, this.#timeOf).catch(() => {});
  }
}

async function aboutIn(sql: Statements, time: Fragment): Promise<About> {
  const [row] = await sql<About[]>`
    SELECT id AS database, (SELECT count(*) FROM usage_holders WHERE seen_at > ${time} - ${LEASE_MS} * interval '1 millisecond') AS processes
    FROM identity`;
  return row!;
}

async function spentIn(sql: Statements, now: number): Promise<readonly Spend[]> {
  const rows = await sql<Spend[]>`
    SELECT subject, period AS "window", tokens, ends_at AS "endsAt" FROM spent
    WHERE ends_at > ${now} AND tokens > 0 ORDER BY tokens DESC LIMIT ${MOST_TOLD}`;
  return [...rows];
}

async function writeUsage(sql: Statements, rows: readonly UsageRow[]): Promise<void> {
  const all = (field: 'hour' | 'requests' | 'promptTokens' | 'cachedTokens' | 'completionTokens') => rows.map((row) => row[field]);
  await sql`
    INSERT INTO usage (hour, key, model, requests, prompt_tokens, cached_tokens, completion_tokens)
    SELECT hour, key, model, sum(requests), sum(prompt), sum(cached), sum(completion)
    FROM unnest(${all('hour')}::bigint[], ${rows.map(({ key }) => key)}::text[], ${rows.map(({ model }) => model)}::text[],
      ${all('requests')}::bigint[], ${all('promptTokens')}::bigint[], ${all('cachedTokens')}::bigint[], ${all('completionTokens')}::bigint[])
      AS said (hour, key, model, requests, prompt, cached, completion)
    GROUP BY hour, key, model ORDER BY hour, key, model
    ON CONFLICT (hour, key, model) DO UPDATE SET
      requests = usage.requests + excluded.requests, prompt_tokens = usage.prompt_tokens + excluded.prompt_tokens,
      cached_tokens = usage.cached_tokens + excluded.cached_tokens, completion_tokens = usage.completion_tokens + excluded.completion_tokens`;
}

async function answered<T>(ask: () => Promise<T>): Promise<T | StoreFailure> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof StoreFailed)) throw error;
    return { ok: false, trouble: error.trouble, message: error.message };
  }
}
