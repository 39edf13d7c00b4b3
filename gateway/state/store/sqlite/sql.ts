import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

/** SQL on an open database; each statement is prepared once. All of it throws what SQLite says. */
export class Sql {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** The first row: what a row is, the statement says. */
  get<Row>(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    const row = this.#statement(sql).get(...values);
    // Without a prototype it could not be sent to another thread as what it is.
    return row && ({ ...row } as Row);
  }

  all<Row>(sql: string, ...values: readonly SQLInputValue[]): Row[] {
    return this.#statement(sql)
      .all(...values)
      .map((row) => ({ ...row }) as Row);
  }

  /** @returns how many rows it changed */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** All of it or nothing. A kill loses nothing of it, a power failure perhaps all, but never what came before without what came after. */
  together<T>(act: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = act();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** The same, on the disk when it returns: for what a client is told, and for what lets bytes elsewhere be removed. */
  lastingly<T>(act: () => T): T {
    this.#db.exec('PRAGMA synchronous = FULL');
    try {
      return this.together(act);
    } finally {
      this.#db.exec('PRAGMA synchronous = NORMAL');
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}
