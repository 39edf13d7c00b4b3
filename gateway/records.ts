import type { DatabasePlace } from './config/database-place.ts';
import type { Clock } from './core/clock.ts';
import type { FileBytes } from './state/store/file-bytes.ts';
import type { BatchRecords, FileRecords, UsageRecords } from './state/store/ports.ts';
import { postgresPorts } from './state/store/postgres/postgres-ports.ts';
import { sqlitePorts } from './state/store/sqlite/sqlite-ports.ts';
import { Store } from './state/store/sqlite/store.ts';

/** What must be known after a restart, wherever it is kept. */
export interface Records {
  readonly files: FileRecords;
  readonly batches: BatchRecords;
  /** Where bytes of files can be, too; null: nowhere but in a folder. */
  readonly bytes: FileBytes | null;
  readonly usage: UsageRecords;
  close(): Promise<void>;
}

/** Nothing is opened before something is asked. @returns null: nothing is kept here */
export function openRecords(place: DatabasePlace | null, clock: Clock): Records | null {
  if (place === null) return null;
  if (place.kind === 'server') return postgresPorts(place.url, clock);
  const store = new Store(place.path, clock);
  return { ...sqlitePorts(store), bytes: null, close: () => store.close() };
}
