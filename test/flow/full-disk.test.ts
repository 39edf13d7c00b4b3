import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { batchOf, ended, inputLine, submit } from './batch-scene.ts';
import { canMount, tinyDisk } from './tiny-disk.ts';

const MIB = 1_048_576;
const LINES = 60;
const LONG = 'x'.repeat(20_000);

let worker: FakeVllm;
let gateway: TestGateway | undefined;
/** Lines that the worker answers before it says nothing more; the others when it is raised. */
let most = Infinity;

beforeEach(async () => {
  most = Infinity;
  worker = await startFakeVllm();
  let answered = 0;
  worker.script = (request, response) => {
    const answer = (): void => {
      if (response.destroyed) return;
      if (answered >= most) return void setTimeout(answer, 20);
      answered++;
      answers.completion(LONG)(request, response);
    };
    answer();
  };
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await worker[Symbol.asyncDispose]();
});

async function start(files: string, database: string, more: SettingsInput = {}): Promise<TestGateway> {
  const settings = {
    log: { level: 'info' },
    files: { dir: join(files, 'files') },
    database: { url: `sqlite:${join(database, 'headgate.db')}` },
  } as const;
  gateway = await startTestGateway([worker.url], { ...settings, ...more });
  await gateway.gateway.firstReady;
  return gateway;
}

const lines = Array.from({ length: LINES }, (_, at) => inputLine(`line-${at}`, `say ${at}`));

async function upload(to: TestGateway, bytes: number): Promise<Response> {
  const form = new FormData();
  form.append('purpose', 'user_data');
  form.append('file', new Blob(['y'.repeat(bytes)]), 'some.txt');
  return fetch(`${to.url}/v1/files`, { method: 'POST', body: form });
}

const said = (to: TestGateway): string[] =>
  to.log.filter(({ event }) => event === 'batch.trouble').map(({ msg }) => (typeof msg === 'string' ? msg : ''));
const stands = (to: TestGateway, words: RegExp) => until(() => said(to).some((text) => words.test(text)), `it says ${words}`, 20_000);

/** It is whole, each line once, and nothing is left of how it came about. */
async function whole(to: TestGateway, id: string, files: string): Promise<void> {
  const { batch, output, errors } = await ended(to, id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: LINES, completed: LINES, failed: 0 } });
  expect(errors).toEqual([]);
  expect(output.map(({ custom_id }) => custom_id).toSorted()).toEqual(lines.map((_, at) => `line-${at}`).toSorted());
  await until(() => said(to).at(-1) === 'Batches go on.', 'it is told that they go on');
  expect(existsSync(join(files, 'files', 'batches', id))).toBe(false);
}

describe.skipIf(!canMount())('a disk that is full (where nothing may be mounted: left out)', { timeout: 90_000 }, () => {
  test('takes no file, says so, has nothing of it, and takes others that fit', async () => {
    const disk = tinyDisk(4);
    const to = await start(disk.path, scratchFolder());
    const refused = await upload(to, 6 * MIB);
    expect(refused.status).toBe(507);
    expect(await refused.json()).toMatchObject({ error: { code: 'storage_full' } });
    const held = readdirSync(join(disk.path, 'files'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(held).toEqual([]);
    expect((await upload(to, MIB)).status).toBe(200);
  });

  test('while lines end keeps them in memory, starts none, and goes on when there is room', async () => {
    const disk = tinyDisk(8);
    most = 10;
    const to = await start(disk.path, scratchFolder());
    const id = await submit(to.url, lines);
    await until(async () => (await batchOf(to.url, id)).request_counts.completed === 10, 'ten lines');
    disk.fill();
    most = Infinity;
    await stands(to, /no room left on the disk that files.dir lies on/);
    const { completed } = (await batchOf(to.url, id)).request_counts;
    expect(completed).toBeLessThan(LINES);
    expect((await batchOf(to.url, id)).status).toBe('in_progress');
    disk.makeRoom();
    await whole(to, id, disk.path);
  });

  test('while the files of a batch are put together has them put together later', async () => {
    const [disk, database] = [tinyDisk(8), scratchFolder()];
    most = LINES / 2;
    const first = await start(disk.path, database);
    const id = await submit(first.url, lines);
    await until(async () => (await batchOf(first.url, id)).request_counts.completed === LINES / 2, 'half of the lines');
    await first.stop();
    // The others are another holder's: both journals are copied into one file, for which there is no room.
    disk.fill(LINES * LONG.length * 0.75);
    most = Infinity;
    const second = await start(disk.path, database);
    await stands(second, /no room left/);
    expect((await batchOf(second.url, id)).status).toBe('finalizing');
    disk.makeRoom();
    await whole(second, id, disk.path);
    const files = readdirSync(join(disk.path, 'files')).filter((name) => name.startsWith('file-'));
    expect(files).toHaveLength(2);
  });

  test('under the database refuses a batch, keeps what lines have come to, and goes on when there is room', async () => {
    const [disk, files] = [tinyDisk(2), scratchFolder()];
    most = 10;
    const to = await start(files, disk.path);
    const id = await submit(to.url, lines);
    await until(async () => (await batchOf(to.url, id)).request_counts.completed === 10, 'ten lines');
    disk.fill();
    const refused: number[] = [];
    // What it has allocated already may do for a few.
    await until(
      async () => {
        const response = await upload(to, 10);
        if (response.status !== 200) refused.push(response.status);
        return refused.length > 0;
      },
      'an upload is refused',
      20_000,
    );
    expect(refused).toEqual([507]);
    most = Infinity;
    await stands(to, /make room on the disk that database.url lies on/);
    disk.makeRoom();
    await whole(to, id, files);
  });
});

describe('a database', { timeout: 90_000 }, () => {
  test('that another program keeps to itself holds a batch up, and loses none of its lines', async () => {
    const folder = scratchFolder();
    most = 10;
    const to = await start(folder, folder);
    const id = await submit(to.url, lines);
    await until(async () => (await batchOf(to.url, id)).request_counts.completed === 10, 'ten lines');
    const other = new DatabaseSync(join(folder, 'headgate.db'));
    other.exec('BEGIN EXCLUSIVE');
    most = Infinity;
    await stands(to, /the database does not do what it is asked/);
    other.exec('ROLLBACK');
    other.close();
    await whole(to, id, folder);
  });

  test('that is none is told with what helps, never emptied, and replaced once it is moved away', async () => {
    const folder = scratchFolder();
    const file = join(folder, 'headgate.db');
    const letter = 'this is a letter, and longer than the head of a database would be: '.repeat(20);
    writeFileSync(file, letter);
    const to = await start(folder, folder);
    const refused = await upload(to, 10);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: 'store_unavailable' } });
    await until(() => to.log.some(({ msg }) => typeof msg === 'string' && msg.includes('move it away')), 'what helps is told');
    expect(readFileSync(file, 'utf8')).toBe(letter);
    renameSync(file, `${file}.away`);
    await until(async () => (await upload(to, 10)).status === 200, 'files are taken', 60_000);
    expect(readFileSync(`${file}.away`, 'utf8')).toBe(letter);
  });
});
