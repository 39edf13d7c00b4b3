import { FILE_COLUMNS } from '../file-columns.ts';
import type { FileRow, Listed, Owner, Page } from '../file-terms.ts';
import type { FileRecords } from '../ports.ts';
import type { PostgresLink } from './link.ts';
import type { Fragment, Statements } from './statements.ts';
import { pageOf } from './pages.ts';

/** What is known of files. */
export class PostgresFiles implements FileRecords {
  readonly #link: PostgresLink;

  constructor(link: PostgresLink) {
    this.#link = link;
  }

  addFile(file: FileRow, mostBytes: number | null): Promise<'added' | 'full'> {
    return this.#link.together(async (sql) => {
      // One after the other: what all have together is limited.
      const [total] = await sql<{ bytes: number }[]>`SELECT bytes FROM files_total FOR UPDATE`;
      if ((await sql`SELECT 1 FROM files WHERE id = ${file.id}`).length > 0) return 'added';
      if (mostBytes !== null && (total?.bytes ?? 0) + file.bytes > mostBytes) return 'full';
      await insertFile(sql, file);
      return 'added';
    });
  }

  fileOf(id: string, owner: Owner | null, now: number): Promise<FileRow | null> {
    return this.#link.ask(async (sql) => {
      const [row] = await sql<FileRow[]>`
        SELECT ${sql.unsafe(FILE_COLUMNS)} FROM files WHERE id = ${id} AND ${isThere(sql, now)} AND ${isOf(sql, owner)}`;
      return row ?? null;
    });
  }

  listFiles(owner: Owner | null, purpose: string | null, page: Page, now: number): Promise<Listed<FileRow>> {
    return this.#link.ask((sql) => {
      const where = sql`${isThere(sql, now)} AND ${purpose === null ? sql`true` : sql`purpose = ${purpose}`}`;
      return pageOf<FileRow>(sql, { table: 'files', columns: FILE_COLUMNS, where, owner }, page);
    });
  }

  deleteFile(id: string, owner: Owner | null, now: number): Promise<boolean> {
    return this.#link.ask(async (sql) => {
      const { count } = await sql`UPDATE files SET expires_at = 0 WHERE id = ${id} AND ${isThere(sql, now)} AND ${isOf(sql, owner)}`;
      return count > 0;
    });
  }

  uselessFiles(now: number, limit: number): Promise<readonly string[]> {
    return this.#link.ask(async (sql) => {
      const rows = await sql<{ id: string }[]>`
        SELECT id FROM files WHERE expires_at <= ${now}
          AND NOT EXISTS (SELECT 1 FROM batches WHERE is_open AND input_file = files.id)
        ORDER BY expires_at LIMIT ${limit}`;
      return rows.map(({ id }) => id);
    });
  }

  async forgetFiles(ids: readonly string[]): Promise<void> {
    await this.#link.together(async (sql) => {
      await sql`SELECT bytes FROM files_total FOR UPDATE`;
      await sql`
        WITH gone AS (DELETE FROM files WHERE id = ANY(${[...ids]}::text[]) RETURNING bytes)
        UPDATE files_total SET bytes = bytes - (SELECT coalesce(sum(bytes), 0)::bigint FROM gone)`;
    });
  }

  fileIds(): Promise<ReadonlySet<string>> {
    return this.#link.ask(async (sql) => new Set((await sql<{ id: string }[]>`SELECT id FROM files`).map(({ id }) => id)));
  }

  totalBytes(): Promise<number> {
    return this.#link.ask(async (sql) => (await sql<{ bytes: number }[]>`SELECT bytes FROM files_total`)[0]?.bytes ?? 0);
  }
}

/** Within a transaction. One that is there stays as it is. */
export async function insertFile(sql: Statements, file: FileRow): Promise<void> {
  const { id, owner, bytes, createdAt, filename, purpose, expiresAt } = file;
  const { count } = await sql`
    INSERT INTO files (id, owner, bytes, created_at, filename, purpose, expires_at)
    VALUES (${id}, ${owner}, ${bytes}, ${createdAt}, ${filename}, ${purpose}, ${expiresAt}) ON CONFLICT DO NOTHING`;
  if (count > 0) await sql`UPDATE files_total SET bytes = bytes + ${bytes}`;
}

function isThere(sql: Statements, now: number): Fragment {
  return sql`(expires_at IS NULL OR expires_at > ${now})`;
}

export function isOf(sql: Statements, owner: Owner | null): Fragment {
  return owner === null ? sql`true` : sql`owner = ${owner}`;
}
