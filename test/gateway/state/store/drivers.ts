import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { systemClock } from '../../../../gateway/core/clock.ts';
import type { BatchRecords, FileRecords } from '../../../../gateway/state/store/ports.ts';
import { postgresPorts } from '../../../../gateway/state/store/postgres/postgres-ports.ts';
import { sqlitePorts } from '../../../../gateway/state/store/sqlite/sqlite-ports.ts';
import { Store } from '../../../../gateway/state/store/sqlite/store.ts';
import { NO_POSTGRES_SERVER, startPostgresServer } from '../../../support/postgres-server.ts';

export interface Ports {
  readonly files: FileRecords;
  readonly batches: BatchRecords;
}

/** Files and batches as several processes see them, all of which are asked at once. */
export interface Driver extends AsyncDisposable {
  readonly processes: readonly [Ports, Ports, Ports];
  /** As if that holder had said nothing for 16 seconds. */
  silence(holder: string): Promise<void>;
  /** Rows that there are of lines. */
  lineRows(): Promise<number>;
}

export interface DriverKind {
  readonly name: string;
  readonly missing: string | null;
  open(): Promise<Driver>;
}

export const DRIVERS: readonly DriverKind[] = [
  { name: 'in a file', missing: null, open: () => Promise.resolve(openSqlite()) },
  { name: 'in a PostgreSQL', missing: NO_POSTGRES_SERVER, open: openPostgres },
];

function openSqlite(): Driver {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-test-'));
  const file = join(folder, 'headgate.db');
  const stores = [0, 1, 2].map(() => new Store(file, systemClock));
  const [one, two, three] = stores.map(sqlitePorts) as unknown as [Ports, Ports, Ports];
  const run = <T>(act: (db: DatabaseSync) => T): Promise<T> => {
    const db = new DatabaseSync(file, { timeout: 10_000 });
    const result = act(db);
    db.close();
    return Promise.resolve(result);
  };
  return {
    processes: [one, two, three],
    async silence(holder) {
      await run((db) => db.prepare('UPDATE batch_holders SET seen_at = seen_at - 16000 WHERE id = ?').run(holder));
    },
    lineRows: () => run((db) => Number(db.prepare('SELECT COUNT(*) AS count FROM lines').get()!['count'])),
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openPostgres(): Promise<Driver> {
  const server = await startPostgresServer();
  const url = await server.database('contract');
  const all = [0, 1, 2].map(() => postgresPorts(url, systemClock));
  const client = postgres(url, { max: 1 });
  return {
    processes: all as unknown as [Ports, Ports, Ports],
    async silence(holder) {
      await client`UPDATE headgate.batch_holders SET seen_at = seen_at - interval '16 seconds' WHERE id = ${holder}`;
    },
    lineRows: async () => Number((await client`SELECT COUNT(*) AS count FROM headgate.lines`)[0]!['count']),
    async [Symbol.asyncDispose]() {
      for (const ports of all) await ports.close();
      await client.end({ timeout: 1 });
      await server[Symbol.asyncDispose]();
    },
  };
}
