import postgres, { type Sql } from 'postgres';
import { systemClock } from '../../../gateway/core/clock.ts';
import { systemDisk } from '../../../gateway/files/disk.ts';
import { FileFolder } from '../../../gateway/files/file-folder.ts';
import type { FileBytes } from '../../../gateway/state/store/file-bytes.ts';
import { type PostgresPorts, postgresPorts } from '../../../gateway/state/store/postgres/postgres-ports.ts';
import { processOf } from '../../../gateway/state/store/process-life.ts';
import { NO_POSTGRES_SERVER, type PostgresServer, startPostgresServer } from '../../support/postgres-server.ts';
import { filesBelow, tempFolder } from './failing-disk.ts';

const DAYS_MS = 3 * 24 * 3_600_000;

/** Bytes as two processes see them. */
export interface BytesDriver extends AsyncDisposable {
  readonly processes: readonly [FileBytes, FileBytes];
  /** How many files, drafts and journals there are, of whatever kind. */
  count(): Promise<number>;
  /** Begins a draft whose writer is gone. */
  leaveDraft(id: string): Promise<void>;
  /** From now on all that there is is as old as anybody waits for. @returns the time that it is by then */
  age(): Promise<number>;
}

export interface BytesDriverKind {
  readonly name: string;
  readonly missing: string | null;
  open(): Promise<BytesDriver>;
}

export const BYTES_DRIVERS: readonly BytesDriverKind[] = [
  { name: 'in a folder', missing: null, open: () => Promise.resolve(inFolder()) },
  { name: 'in a PostgreSQL', missing: NO_POSTGRES_SERVER, open: async () => inPostgres(await startPostgresServer()) },
];

function inFolder(): BytesDriver {
  const temp = tempFolder();
  const dead = { pid: process.pid, startedAt: processOf(process.pid).startedAt.replace(/\d+$/, '1') };
  return {
    processes: [new FileFolder(temp.path), new FileFolder(temp.path)],
    count: () => Promise.resolve(filesBelow(temp.path).filter((path) => !path.includes('.whole.')).length),
    async leaveDraft(id) {
      const draft = await new FileFolder(temp.path, { ...systemDisk, remove: () => Promise.resolve() }, dead).draft(id);
      await draft.discard();
    },
    age: () => Promise.resolve(Date.now() + DAYS_MS),
    [Symbol.asyncDispose]: () => Promise.resolve(temp[Symbol.dispose]()),
  };
}

export interface PostgresBytesDriver extends BytesDriver {
  readonly server: PostgresServer;
  readonly url: string;
  readonly ports: readonly [PostgresPorts, PostgresPorts];
  readonly client: Sql;
}

export async function inPostgres(server: PostgresServer): Promise<PostgresBytesDriver> {
  const url = await server.database('bytes');
  const ports = [postgresPorts(url, systemClock), postgresPorts(url, systemClock)] as const;
  await ports[0].files.totalBytes();
  const client = postgres(url, { max: 1, onnotice: () => {} });
  const all = ['file_bytes', 'journal_bytes'];
  const parts = ['file_chunks WHERE file NOT IN (SELECT seq', 'journal_parts WHERE journal NOT IN (SELECT seq'];
  return {
    ...{ server, url, ports, client },
    processes: [ports[0].bytes, ports[1].bytes],
    async count() {
      const counts = all.map(
        (table, at) => `(SELECT count(*) FROM headgate.${table}) + (SELECT count(*) FROM headgate.${parts[at]!} FROM headgate.${table}))`,
      );
      const [row] = await client.unsafe(`SELECT ${counts.join(' + ')} AS count`);
      return Number(row!['count']);
    },
    async leaveDraft(id) {
      await ports[1].bytes.draft(id);
      await client`UPDATE headgate.file_bytes SET used_at = used_at - interval '16 minutes' WHERE id = ${id}`;
    },
    async age() {
      await client`UPDATE headgate.file_bytes SET used_at = used_at - interval '3 days' WHERE state <> 0`;
      return Date.now();
    },
    async [Symbol.asyncDispose]() {
      for (const each of ports) await each.close();
      await client.end({ timeout: 1 });
      await server[Symbol.asyncDispose]();
    },
  };
}
