import type { DatabasePlace } from '../config/database-place.ts';
import type { BatchRecords } from '../state/store/ports.ts';

const PAGE = 100;
const MOST_PAGES = 10;

/** The database by kind and health, and how many batches there are of each status; not where it is, and nothing of what they hold. */
export async function storedPart(place: DatabasePlace | null, records: Pick<BatchRecords, 'listBatches'> | null) {
  const database = place === null ? 'none' : place.kind === 'file' ? 'sqlite' : 'postgresql';
  if (records === null) return { database, answers: null, batches: null, trouble: null };
  const byStatus: Record<string, number> = {};
  let after: string | null = null;
  let seen = 0;
  try {
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { rows, hasMore } = await records.listBatches(null, { after, limit: PAGE, order: 'desc' });
      for (const { status } of rows) byStatus[status] = (byStatus[status] ?? 0) + 1;
      seen += rows.length;
      after = rows.at(-1)?.id ?? null;
      if (!hasMore || after === null)
        return { database, answers: true, batches: { by_status: byStatus, seen, more: false }, trouble: null };
    }
    return { database, answers: true, batches: { by_status: byStatus, seen, more: true }, trouble: null };
  } catch (error) {
    return { database, answers: false, batches: null, trouble: kindOf(error) };
  }
}

function kindOf(error: unknown): string {
  const { name, code, trouble } = error as { readonly name?: unknown; readonly code?: unknown; readonly trouble?: unknown };
  return [trouble, name, code].filter((word) => typeof word === 'string' && /^\w{1,40}$/.test(word)).join(' ') || 'it fails';
}
