/** Who has written an entry. Each has a file of its own. */
export type Historian = 'gateway' | 'supervisor';

/** One thing that has happened. Beside these it has the fields of the log line that told of it (core/log/fields.ts). */
export interface HistoryEntry {
  /** ISO time. */
  readonly at: string;
  readonly by: Historian;
  /** The pid of the one who wrote it. */
  readonly process: number;
  readonly level: string;
  /** A short dotted name, the log's. */
  readonly event: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** What a line holds; null where it is not whole: one that was being written when the disk was full, or the machine went down. */
export function readEntry(line: string): HistoryEntry | null {
  try {
    const said = JSON.parse(line) as Partial<HistoryEntry> | null;
    const { at, by, event, msg } = said ?? {};
    if (typeof at !== 'string' || Number.isNaN(Date.parse(at)) || typeof event !== 'string' || typeof msg !== 'string') return null;
    if (by !== 'gateway' && by !== 'supervisor') return null;
    return said as HistoryEntry;
  } catch {
    return null;
  }
}

/** The text of a field; null where the entry has none. */
export function textOf(entry: Readonly<Record<string, unknown>>, field: string): string | null {
  const value = entry[field];
  return typeof value === 'string' ? value : null;
}
