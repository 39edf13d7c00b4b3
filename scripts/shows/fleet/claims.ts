import postgres from 'postgres';

/** Who holds which lines of batches, as the database of the gateways has it. */
export class Claims implements AsyncDisposable {
  readonly #sql: postgres.Sql;

  constructor(url: string) {
    this.#sql = postgres(url, { max: 1, connection: { search_path: 'headgate' } });
  }

  /** What processes on this machine are called there. */
  async holdersOf(pids: readonly number[]): Promise<string[]> {
    const rows = await this.#sql<{ id: string }[]>`SELECT id FROM batch_holders WHERE pid = ANY(${pids as number[]}::int[])`;
    return rows.map(({ id }) => id);
  }

  async heldBy(holders: readonly string[]): Promise<number> {
    const [row] = await this.#sql<{ count: number }[]>`
      SELECT count(*)::int AS count FROM slices WHERE holder = ANY(${holders as string[]}::text[])`;
    return row!.count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }
}
