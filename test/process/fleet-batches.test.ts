import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { batchOf, ended, inputLine, submit } from '../flow/batch-scene.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { NO_POSTGRES_SERVER, type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { run } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const NAME = NO_POSTGRES_SERVER === null ? '' : ` (skipped: ${NO_POSTGRES_SERVER})`;
/** Three slices. */
const LINES = Array.from({ length: 700 }, (_, at) => inputLine(`line-${at}`, `say ${at}`));

let server: PostgresServer;
let databases = 0;
beforeAll(async () => {
  if (NO_POSTGRES_SERVER === null) server = await startPostgresServer();
}, 60_000);
afterAll(() => server?.[Symbol.asyncDispose]());

/** What each worker was asked tells what its gateway has done: each gateway has one of its own. */
interface Member extends AsyncDisposable {
  readonly url: string;
  readonly worker: FakeVllm;
  readonly asked: () => number;
  kill(): Promise<void>;
}

async function member(database: string, more: object = {}): Promise<Member> {
  const folder = scratchFolder();
  const worker = await startFakeVllm();
  let asked = 0;
  worker.script = (request, response) => {
    asked += 1;
    const { messages } = JSON.parse(request.body) as { messages: { content: string }[] };
    setTimeout(() => answers.completion(messages[0]!.content)(request, response), 120);
  };
  const port = await freePort();
  const settings = {
    ...{ database: { url: database }, server: { port }, shutdown: { settle_ms: 0 } },
    ...{ workers: [{ url: worker.url, max_num_seqs: 8 }], ...more },
  };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  await gateway.prints(/is ready on|listening/);
  return {
    url: `http://127.0.0.1:${port}`,
    worker,
    asked: () => asked,
    async kill() {
      gateway.child.kill('SIGKILL');
      await gateway.exited;
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    },
  };
}

/** In the database, and in a folder that both see. */
const PLACES = [
  ['the database', () => ({})],
  ['a shared folder', () => ({ files: { dir: scratchFolder() } })],
] as const;

test.skipIf(NO_POSTGRES_SERVER !== null).each(PLACES)(
  `two gateways with one PostgreSQL and files in %s do one batch, no line twice${NAME}`,
  { timeout: 120_000 },
  async (_, filesIn) => {
    const [url, more] = [await server.database(`both_${databases++}`), filesIn()];
    await using first = await member(url, more);
    await using second = await member(url, more);
    const id = await submit(first.url, LINES);
    // Whoever did not take it knows it as well.
    const { batch, output, errors } = await ended({ url: second.url }, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 700, completed: 700, failed: 0 } });
    expect(errors).toEqual([]);
    expect(new Set(output.map((line) => line.custom_id)).size).toBe(700);
    expect(output).toHaveLength(700);
    expect(first.asked() + second.asked()).toBe(700);
    expect(Math.min(first.asked(), second.asked())).toBeGreaterThan(0);
    expect((await batchOf(first.url, id)).output_file_id).toBe(batch.output_file_id);
  },
);

test.skipIf(NO_POSTGRES_SERVER !== null)(
  `the lines of a gateway that is killed are taken by the other${NAME}`,
  { timeout: 180_000 },
  async () => {
    const url = await server.database(`killed_${databases++}`);
    const more = { files: { dir: scratchFolder() } };
    await using first = await member(url, more);
    await using second = await member(url, more);
    const id = await submit(first.url, LINES);
    await until(() => first.asked() > 20 && second.asked() > 20, 'both have lines');
    await first.kill();
    const { batch, output, errors } = await ended(second, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 700, completed: 700, failed: 0 } });
    expect(errors).toEqual([]);
    expect(new Set(output.map((line) => line.custom_id)).size).toBe(700);
    expect(output).toHaveLength(700);
  },
);

test.skipIf(NO_POSTGRES_SERVER !== null)(`while the server is away both wait, and then go on${NAME}`, { timeout: 180_000 }, async () => {
  const url = await server.database(`away_${databases++}`);
  const more = { files: { dir: scratchFolder() } };
  await using first = await member(url, more);
  await using second = await member(url, more);
  const id = await submit(first.url, LINES);
  await until(() => first.asked() > 20 && second.asked() > 20, 'both have lines');
  await server.stop();
  const asked = (): number => first.asked() + second.asked();
  // What they had claimed they may run; then they stand still.
  let before = -1;
  await until(async () => {
    const isStill = asked() === before;
    before = asked();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    return isStill && asked() === before;
  }, 'both stand still');
  expect(before).toBeLessThan(700);
  const answer = await fetch(`${first.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'meanwhile' }] }),
  });
  expect(answer.status).toBe(200);
  expect((await fetch(`${first.url}/v1/batches/${id}`)).status).toBe(503);
  await server.start();
  const { batch, output } = await ended(second, id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 700, completed: 700, failed: 0 } });
  expect(new Set(output.map((line) => line.custom_id)).size).toBe(700);
  expect(output).toHaveLength(700);
});
