import { FILE_COLUMNS } from '../file-columns.ts';
import type { FileRow, Listed, Owner, Page } from '../file-terms.ts';
import type { FileRecords } from '../ports.ts';
import type { Answers } from './answers.ts';
import { pageOf } from './pages.ts';
import type { Sql } from './sql.ts';

const IS_THERE = '(expires_at IS NULL OR expires_at > ?)';

/** What is known of files. */
export class FilesDesk implements Answers<FileRecords> {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  addFile(file: FileRow, mostBytes: number | null): 'added' | 'full' {
    return this.#sql.lastingly(() => {
      if (this.#sql.get('SELECT 1 FROM files WHERE id = ?', file.id)) return 'added';
      if (mostBytes !== null && this.totalBytes() + file.bytes > mostBytes) return 'full';
      insertFile(this.#sql, file);
      return 'added';
    });
  }

  fileOf(id: string, owner: Owner | null, now: number): FileRow | null {
    const row = this.#sql.get<FileRow>(
      `SELECT ${FILE_COLUMNS} FROM files WHERE id = ? AND ${IS_THERE} AND (?3 IS NULL OR owner = ?3)`,
      ...[id, now, owner],
    );
    return row ?? null;
  }

  listFiles(owner: Owner | null, purpose: string | null, page: Page, now: number): Listed<FileRow> {
    const where = [[IS_THERE, now] as const, ...(purpose === null ? [] : [['purpose = ?', purpose] as const])];
    return pageOf<FileRow>(this.#sql, { table: 'files', columns: FILE_COLUMNS, where, owner }, page);
  }

  deleteFile(id: string, owner: Owner | null, now: number): boolean {
    return this.#sql.lastingly(
      () =>
        this.#sql.run(`UPDATE files SET expires_at = 0 WHERE id = ? AND ${IS_THERE} AND (?3 IS NULL OR owner = ?3)`, id, now, owner) > 0,
    );
  }

  uselessFiles(now: number, limit: number): string[] {
    const rows = this.#sql.all<{ id: string }>(
      `SELECT id FROM files WHERE expires_at <= ?
         AND NOT EXISTS (SELECT 1 FROM batches WHERE is_open = 1 AND input_file = files.id)
       ORDER BY expires_at LIMIT ?`,
      ...[now, limit],
    );
    return rows.map(({ id }) => id);
  }

  forgetFiles(ids: readonly string[]): void {
    this.#sql.together(() => {
      for (const id of ids) {
        const row = this.#sql.get<{ bytes: number }>('DELETE FROM files WHERE id = ? RETURNING bytes', id);
        if (row) this.#sql.run('UPDATE files_total SET bytes = bytes - ?', row.bytes);
      }
    });
  }

  fileIds(): Set<string> {
    return new Set(this.#sql.all<{ id: string }>('SELECT id FROM files').map(({ id }) => id));
  }

  totalBytes(): number {
    return this.#sql.get<{ bytes: number }>('SELECT bytes FROM files_total')?.bytes ?? 0;
  }
}

/** Within a transaction. One that is there stays as it is. */
export function insertFile(sql: Sql, file: FileRow): void {
  const added = sql.run(
    `INSERT INTO files (id, owner, bytes, created_at, filename, purpose, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ...[file.id, file.owner, file.bytes, file.createdAt, file.filename, file.purpose, file.expiresAt],
  );
  if (added > 0) sql.run('UPDATE files_total SET bytes = bytes + ?', file.bytes);
}
