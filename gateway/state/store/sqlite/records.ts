import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { HOLDER_KEPT_MS, keptSince, KEY_SUBJECT, LEASE_MS, MOST_TOLD, PRUNE_MS, shareOf } from '../usage-rules.ts';
import type { Batch, Exchange, Exchanged, Grant, Spend, UsageSum, Want } from '../words.ts';

/** What is kept in the file. All of it is synchronous, and throws what SQLite says. */
export class Records {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #prunedAt = -Infinity;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Writes a batch, once, and hands out of each budget what it can: at every moment what is spent and what is granted to all processes that
   * live is together at most the budget, but for what calls have used beyond their estimate.
   * @param uptime ms since the machine was started: the same to all processes, and no step of a clock makes one of them look dead
   */
  exchange({ holder, now, batch, wants, asksSpent }: Exchange, uptime: number): Exchanged {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const last = Number(this.#get('SELECT last_batch FROM holders WHERE id = ?', holder)?.['last_batch'] ?? 0);
      if (batch.number > last) this.#write(batch);
      this.#run(
        'INSERT INTO holders VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET last_batch = excluded.last_batch, seen_at = excluded.seen_at',
        ...[holder, Math.max(last, batch.number), uptime],
      );
      const grants = wants.map((want) => this.#grant(want, holder, uptime));
      if (Math.abs(now - this.#prunedAt) >= PRUNE_MS) this.#prune(now, uptime);
      const database = String(this.#get('SELECT id FROM identity')?.['id']);
      const spent = asksSpent ? this.#spent(now) : null;
      this.#db.exec('COMMIT');
      return { grants, database, spent, processes: null };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** What was used from that hour on, by key and model, most tokens first. @param key null: of all */
  usage(fromHour: number, key: string | null): UsageSum[] {
    const rows = this.#statement(
      `SELECT key, model, SUM(requests) AS requests, SUM(prompt_tokens) AS promptTokens, SUM(cached_tokens) AS cachedTokens,
         SUM(completion_tokens) AS completionTokens
       FROM usage WHERE hour >= ?1 AND (?2 IS NULL OR key = ?2) GROUP BY key, model`,
    ).all(fromHour, key);
    return rows.map((row) => ({ ...row }) as unknown as UsageSum);
  }

  #write({ usage, spends }: Batch): void {
    for (const { hour, key, model, requests, promptTokens, cachedTokens, completionTokens } of usage) {
      this.#run(
        `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hour, key, model) DO UPDATE SET
           requests = requests + excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
           cached_tokens = cached_tokens + excluded.cached_tokens, completion_tokens = completion_tokens + excluded.completion_tokens`,
        ...[hour, key, model, requests, promptTokens, cachedTokens, completionTokens],
      );
    }
    for (const { subject, window, tokens, endsAt } of spends) {
      this.#run(
        'INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT (subject, window) DO UPDATE SET tokens = tokens + excluded.tokens',
        ...[subject, window, tokens, endsAt],
      );
    }
  }

  #grant(want: Want, holder: string, uptime: number): Grant {
    const { subject, window } = want;
    const spent = Number(this.#get('SELECT tokens FROM spent WHERE subject = ? AND window = ?', subject, window)?.['tokens'] ?? 0);
    // Those of before the last start of the machine have been there later, or long ago.
    const others = Number(
      this.#get(
        `SELECT SUM(tokens) AS tokens FROM grants JOIN holders ON holders.id = grants.holder
         WHERE subject = ? AND window = ? AND holder <> ? AND abs(seen_at - ?) < ${LEASE_MS}`,
        ...[subject, window, holder, uptime],
      )?.['tokens'] ?? 0,
    );
    const granted = shareOf(want, spent, others);
    if (granted === 0) this.#run('DELETE FROM grants WHERE subject = ? AND window = ? AND holder = ?', subject, window, holder);
    else {
      this.#run(
        'INSERT INTO grants VALUES (?, ?, ?, ?) ON CONFLICT (subject, window, holder) DO UPDATE SET tokens = excluded.tokens',
        ...[subject, window, holder, granted],
      );
    }
    return { subject, window, granted, spent };
  }

  #spent(now: number): Spend[] {
    const rows = this.#statement(
      `SELECT subject, window, tokens, ends_at AS endsAt FROM spent WHERE ends_at > ? ORDER BY tokens DESC LIMIT ${MOST_TOLD}`,
    ).all(now);
    return rows.map((row) => ({ ...row }) as unknown as Spend);
  }

  #prune(now: number, uptime: number): void {
    const { hour, ofKeys, ofAddresses } = keptSince(now);
    this.#run('DELETE FROM usage WHERE hour < ?', hour);
    this.#run('DELETE FROM spent WHERE ends_at < ?', ofKeys);
    this.#run('DELETE FROM spent WHERE ends_at < ? AND subject NOT LIKE ?', ofAddresses, KEY_SUBJECT);
    this.#run('DELETE FROM holders WHERE abs(seen_at - ?) > ?', uptime, HOLDER_KEPT_MS);
    this.#run('DELETE FROM grants WHERE holder NOT IN (SELECT id FROM holders)');
    this.#prunedAt = now;
  }

  #get(sql: string, ...values: SQLInputValue[]) {
    return this.#statement(sql).get(...values);
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}
