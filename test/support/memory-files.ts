import type { FileRow, Listed, Owner, Page } from '../../gateway/state/store/file-terms.ts';
import type { FileRecords } from '../../gateway/state/store/ports.ts';

/** Records of files in this process's memory. */
export class MemoryFiles implements FileRecords {
  readonly #rows = new Map<string, { row: FileRow; isDeleted: boolean }>();
  /** Whether a batch that has not ended needs a file. Set by whoever knows batches. */
  isNeeded: (id: string) => boolean = () => false;

  addFile(file: FileRow, mostBytes: number | null): Promise<'added' | 'full'> {
    if (mostBytes !== null && this.#bytes() + file.bytes > mostBytes) return Promise.resolve('full');
    if (!this.#rows.has(file.id)) this.#rows.set(file.id, { row: file, isDeleted: false });
    return Promise.resolve('added');
  }

  fileOf(id: string, owner: Owner | null, now: number): Promise<FileRow | null> {
    const found = this.#rows.get(id);
    return Promise.resolve(found !== undefined && isThere(found, owner, now) ? found.row : null);
  }

  listFiles(owner: Owner | null, purpose: string | null, page: Page, now: number): Promise<Listed<FileRow>> {
    const rows = [...this.#rows.values()].filter((each) => isThere(each, owner, now)).map(({ row }) => row);
    return Promise.resolve(
      pageOf(
        rows.filter((row) => purpose === null || row.purpose === purpose),
        page,
      ),
    );
  }

  deleteFile(id: string, owner: Owner | null, now: number): Promise<boolean> {
    const found = this.#rows.get(id);
    if (found === undefined || !isThere(found, owner, now)) return Promise.resolve(false);
    found.isDeleted = true;
    return Promise.resolve(true);
  }

  uselessFiles(now: number, limit: number): Promise<readonly string[]> {
    const useless = [...this.#rows.values()].filter((each) => !isThere(each, null, now) && !this.isNeeded(each.row.id));
    return Promise.resolve(useless.slice(0, limit).map(({ row }) => row.id));
  }

  forgetFiles(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#rows.delete(id);
    return Promise.resolve();
  }

  fileIds(): Promise<ReadonlySet<string>> {
    return Promise.resolve(new Set(this.#rows.keys()));
  }

  totalBytes(): Promise<number> {
    return Promise.resolve(this.#bytes());
  }

  #bytes(): number {
    let bytes = 0;
    for (const { row } of this.#rows.values()) bytes += row.bytes;
    return bytes;
  }
}

function isThere({ row, isDeleted }: { row: FileRow; isDeleted: boolean }, owner: Owner | null, now: number): boolean {
  return !isDeleted && (owner === null || row.owner === owner) && (row.expiresAt === null || now < row.expiresAt);
}

/** One page of rows that come in the order in which they were added. */
export function pageOf<Row extends { readonly id: string; readonly createdAt: number }>(
  rows: readonly Row[],
  { after, limit, order }: Page,
): Listed<Row> {
  const sorted = rows.toSorted((one, other) => one.createdAt - other.createdAt);
  if (order === 'desc') sorted.reverse();
  const at = after === null ? -1 : sorted.findIndex(({ id }) => id === after);
  if (after !== null && at < 0) return { rows: [], hasMore: false, isKnown: false };
  return { rows: sorted.slice(at + 1, at + 1 + limit), hasMore: sorted.length > at + 1 + limit, isKnown: true };
}
