import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { idMaker } from '../../../../gateway/core/secrets/id-maker.ts';
import { Files } from '../../../../gateway/files/files.ts';
import type { DraftBytes } from '../../../../gateway/state/store/file-bytes.ts';
import { postgresPorts } from '../../../../gateway/state/store/postgres/postgres-ports.ts';
import { until } from '../../../support/gateway.ts';
import { NO_POSTGRES_SERVER, startPostgresServer } from '../../../support/postgres-server.ts';
import { inPostgres, type PostgresBytesDriver } from '../../files/bytes-drivers.ts';

const CHUNK = 262_144;
const FULL = "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'";
let made = 0;
const nextId = (): string => `file-${String(++made).padStart(32, '0')}`;
const nextBatch = (): string => `batch_${String(++made).padStart(32, '0')}`;
const NOTHING = { outputBytes: 0, errorBytes: 0 };

describe.skipIf(NO_POSTGRES_SERVER !== null)(
  `bytes in a PostgreSQL${NO_POSTGRES_SERVER === null ? '' : ` (${NO_POSTGRES_SERVER})`}`,
  () => {
    let driver: PostgresBytesDriver;
    beforeAll(async () => void (driver = await inPostgres(await startPostgresServer())), 60_000);
    afterAll(() => driver[Symbol.asyncDispose]());
    afterEach(() => {
      for (const table of ['file_chunks', 'journal_parts'])
        driver.server.sql(driver.url, `DROP TRIGGER IF EXISTS fails ON headgate.${table}`);
    });

    /** The disk of the server is full for rows of which that holds. */
    function fails(table: 'file_chunks' | 'journal_parts', when: string): void {
      driver.server.sql(
        driver.url,
        `CREATE OR REPLACE FUNCTION headgate.fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${FULL}; END $$;
       CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON headgate.${table} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION headgate.fails()`,
      );
    }

    function filesOf(): Files {
      const [{ files: records, bytes }] = driver.ports;
      const settings = {
        max_file_bytes: 10_000_000,
        batch_max_file_bytes: 10_000_000,
        expire_batch_files_after_ms: 1_000,
        max_total_bytes: null,
      };
      return new Files({ clock: systemClock, records, bytes, settings: () => settings, newId: idMaker(), onTrouble: () => {} });
    }

    /** Writes as an upload does. @returns what its client is told */
    async function told(files: Files, data: Buffer, between: () => Promise<void> = async () => {}): Promise<string> {
      const draft = await files.begin();
      try {
        try {
          for (let at = 0; at < data.length; at += 65_536) {
            await draft.write(data.subarray(at, at + 65_536));
            if (at === 655_360) await between();
          }
        } catch (thrown) {
          await draft.discard();
          throw files.told('writing a file', thrown);
        }
        await files.add(draft, { owner: 'app', filename: 'a', purpose: 'user_data', expiresAfterS: null });
        return 'fine';
      } catch (error) {
        return error instanceof GatewayError ? error.kind : String(error);
      }
    }

    test('a disk of the server that is full is told as ours is, wherever it happens, and leaves nothing', async () => {
      const files = filesOf();
      const data = Buffer.alloc(5 * CHUNK, 'x');
      for (const number of [0, 2, 4]) {
        fails('file_chunks', `new.number = ${number}`);
        const before = await driver.count();
        expect(await told(files, data)).toBe('storage_full');
        expect(await driver.count()).toBe(before);
        driver.server.sql(driver.url, 'DROP TRIGGER fails ON headgate.file_chunks');
      }
      expect(await told(files, data)).toBe('fine');
      fails('journal_parts', 'true');
      const journal = driver.processes[0].journals.open(nextBatch(), 'a', NOTHING);
      await expect(journal.append({ out: [Buffer.from('x')], err: [] })).rejects.toMatchObject({ trouble: 'full' });
    });

    test('an upload during which the server ends is an error, and nothing of it is left', { timeout: 60_000 }, async () => {
      const { server } = driver;
      const before = await driver.count();
      expect(await told(filesOf(), Buffer.alloc(2_000_000, 'x'), () => server.stop())).toBe('store_unavailable');
      await server.start();
      const [one] = driver.processes;
      await until(
        () =>
          one
            .leftovers(0, 100)
            .then(Array.isArray)
            .catch(() => false),
        'the server is back',
      );
      // Nobody could tell it that the draft was given up.
      await driver.client`UPDATE headgate.file_bytes SET used_at = used_at - interval '16 minutes' WHERE state = 0`;
      for (const name of await one.leftovers(0, 100)) await one.removeLeftover(name);
      expect(await driver.count()).toBe(before);
    });

    test('a server that stands still is given no more than a few chunks, and the rest when it goes on', { timeout: 60_000 }, async () => {
      const [one] = driver.processes;
      const [id, piece] = [nextId(), Buffer.alloc(65_536, 'x')];
      const draft = await one.draft(id);
      let taken = 0;
      const write = async (): Promise<void> => {
        for (let at = 0; at < 40; at++) {
          await draft.append(piece);
          taken += piece.length;
        }
      };
      driver.server.pause();
      const written = write();
      await new Promise((resolve) => void systemClock.after(500, () => resolve(null)));
      const takenThen = taken;
      driver.server.resume();
      await written;
      expect(takenThen).toBeLessThanOrEqual(3 * CHUNK);
      await draft.keep();
      const file = await one.open(id);
      expect(file.size).toBe(40 * piece.length);
      await file.close();
    });

    test('a draft that was taken for dead is refused from then on, and leaves nothing', async () => {
      const [one, other] = driver.processes;
      const before = await driver.count();
      const refused = async (go: (draft: DraftBytes) => Promise<void>): Promise<void> => {
        const draft = await one.draft(nextId());
        await draft.append(Buffer.alloc(2 * CHUNK));
        await driver.client`UPDATE headgate.file_bytes SET used_at = used_at - interval '16 minutes' WHERE state = 0`;
        for (const name of await other.leftovers(0, 100)) await other.removeLeftover(name);
        await expect(go(draft)).rejects.toThrow('was removed');
        await draft.discard();
        expect(await driver.count()).toBe(before);
      };
      await refused((draft) => draft.keep());
      await refused(async (draft) => {
        await draft.append(Buffer.alloc(CHUNK));
        await draft.keep();
      });
    });

    test('who writes slowly, and who reads slowly, says that he is there', async () => {
      let laterMs = 0;
      const clock = { ...systemClock, now: () => systemClock.now() + laterMs };
      const ports = postgresPorts(driver.url, clock);
      const { bytes } = ports;
      const isThere = async (id: string): Promise<boolean> => {
        for (const name of await bytes.leftovers(0, 100)) await bytes.removeLeftover(name);
        return (await driver.client`SELECT 1 FROM headgate.file_bytes WHERE id = ${id}`).length > 0;
      };
      const age = (id: string) => driver.client`UPDATE headgate.file_bytes SET used_at = used_at - interval '1 hour' WHERE id = ${id}`;
      const id = nextId();
      const draft = await bytes.draft(id);
      await age(id);
      laterMs += 61_000;
      await draft.append(Buffer.alloc(3 * CHUNK));
      expect(await isThere(id)).toBe(true);
      await draft.keep();
      const file = await bytes.open(id);
      await bytes.remove(id);
      await age(id);
      laterMs += 31_000;
      await file.read(Buffer.alloc(10), 0);
      expect(await isThere(id)).toBe(true);
      await age(id);
      expect(await isThere(id)).toBe(false);
      await expect(file.read(Buffer.alloc(10), 2 * CHUNK)).rejects.toThrow('removed');
      await ports.close();
    });

    test('what several remove at once is removed, and by each that begins when one has died in the middle', async () => {
      const [one, other] = driver.processes;
      const before = await driver.count();
      const id = nextId();
      const draft = await one.draft(id);
      for (let at = 0; at < 150; at++) await draft.append(Buffer.alloc(CHUNK));
      await draft.keep();
      await one.remove(id);
      await driver.client`UPDATE headgate.file_bytes SET used_at = used_at - interval '1 hour' WHERE id = ${id}`;
      const [name] = await one.leftovers(0, 1);
      // As whoever died has left it.
      await driver.client`DELETE FROM headgate.file_chunks WHERE file = ${Number(name)} AND number < 20`;
      expect(await other.leftovers(0, 1)).toEqual([name]);
      await Promise.all([one.removeLeftover(name!), other.removeLeftover(name!)]);
      expect(await one.leftovers(0, 1)).toEqual([]);
      expect(await driver.count()).toBe(before);
    });

    test('a range takes the chunks that it lies in, and no other', async () => {
      const [one] = driver.processes;
      const id = nextId();
      const draft = await one.draft(id);
      await draft.append(Buffer.alloc(8 * CHUNK, 'x'));
      await draft.keep();
      await driver.client`
      DELETE FROM headgate.file_chunks WHERE number NOT IN (3, 4) AND file = (SELECT seq FROM headgate.file_bytes WHERE id = ${id})`;
      const file = await one.open(id);
      expect(await file.read(Buffer.alloc(2_000), 4 * CHUNK - 1_000)).toBe(2_000);
      await expect(file.read(Buffer.alloc(2_000), 5 * CHUNK - 1_000)).rejects.toThrow('removed');
    });

    test('a journal’s writing that arrives when another has begun is refused', async () => {
      const [one, other] = driver.processes;
      const batch = nextBatch();
      const [now, late] = [one.journals.open(batch, 'a', NOTHING), other.journals.open(batch, 'a', NOTHING)];
      for (let i = 0; i < 20; i++) now.commit(await now.append({ out: [Buffer.from('0123456789')], err: [] }));
      await expect(late.append({ out: [Buffer.from('late')], err: [] })).rejects.toThrow('since');
      const id = nextId();
      await one.journals.assemble(batch, [{ holder: 'a', outputBytes: 200, errorBytes: 0 }], 'out', id, 'a');
      const into = Buffer.alloc(200);
      await (await one.open(id)).read(into, 0);
      expect(into.toString()).toBe('0123456789'.repeat(20));
      await one.journals.remove(batch);
    });

    test('what is committed of a journal outlives that it is written again, and not to its end', async () => {
      const [one] = driver.processes;
      const batch = nextBatch();
      const data = Buffer.alloc(9 * CHUNK + 7, '0123456789');
      const journal = one.journals.open(batch, 'a', NOTHING);
      await journal.append({ out: [data], err: [] });
      // The store has committed it, and did not say so.
      fails('journal_parts', `new.first_byte > ${5 * CHUNK}`);
      await expect(journal.append({ out: [data], err: [] })).rejects.toMatchObject({ trouble: 'full' });
      const id = nextId();
      expect(await one.journals.assemble(batch, [{ holder: 'a', outputBytes: data.length, errorBytes: 0 }], 'out', id, 'b')).toBe(
        data.length,
      );
      const into = Buffer.alloc(data.length);
      await (await one.open(id)).read(into, 0);
      expect(into.equals(data)).toBe(true);
      await one.journals.remove(batch);
    });
  },
);
