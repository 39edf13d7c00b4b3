import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { ConflictError, BadRequestError, NotFoundError, toFile } from 'openai';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ADMIN_KEY } from '../support/admin.ts';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { MemoryBatches } from '../support/memory-batches.ts';

let folder: string;
let worker: FakeVllm;
let gateway: TestGateway;
let records: MemoryBatches;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'batches-'));
  worker = await startFakeVllm();
  records = new MemoryBatches();
  const keys = ['app', 'other'].map((name) => ({ name, key: `hg-${name}-0123456789abcdef` }));
  const settings = { auth: { keys }, files: { dir: folder } };
  gateway = await startTestGateway([worker.url], settings, undefined, folder, records.files, records);
});
afterEach(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const client = (name: string): OpenAI => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: `hg-${name}-0123456789abcdef`, maxRetries: 2 });
const ENDPOINT = '/v1/chat/completions';
const line = (id: string, model = 'm'): string =>
  JSON.stringify({ custom_id: id, method: 'POST', url: ENDPOINT, body: { model, messages: [] } });

async function made(openai: OpenAI, lines: readonly string[]) {
  const file = await openai.files.create({ file: await toFile(Buffer.from(lines.join('\n')), 'in.jsonl'), purpose: 'batch' });
  return openai.batches.create({ input_file_id: file.id, endpoint: ENDPOINT, completion_window: '24h', metadata: { a: 'b' } });
}

test("OpenAI's client makes, looks at, lists and cancels batches, and no other key sees them", async () => {
  const app = client('app');
  const batch = await made(app, [line('a'), line('b')]);
  expect(batch).toMatchObject({ object: 'batch', status: 'validating', metadata: { a: 'b' }, errors: null });
  await until(async () => (await app.batches.retrieve(batch.id)).status === 'in_progress', 'it was validated');
  expect(await app.batches.retrieve(batch.id)).toMatchObject({ model: 'm', request_counts: { total: 2, completed: 0, failed: 0 } });
  const second = await made(app, [line('a'), 'x']);
  await until(async () => (await app.batches.retrieve(second.id)).status === 'failed', 'it failed');
  expect((await app.batches.retrieve(second.id)).errors?.data).toEqual([
    { code: 'invalid_json_line', message: 'This line is not parseable as valid JSON.', param: null, line: 2 },
  ]);

  const headers = { authorization: 'Bearer hg-app-0123456789abcdef', 'content-type': 'application/json', 'idempotency-key': '"nightly"' };
  const once = (metadata: object) =>
    fetch(`${gateway.url}/v1/batches`, {
      ...{ method: 'POST', headers },
      body: JSON.stringify({ input_file_id: second.input_file_id, endpoint: ENDPOINT, completion_window: '24h', metadata }),
    });
  const [one, two, three] = [await once({ a: 'b' }), await once({ a: 'b' }), await once({})];
  const third = (await one.json()) as { id: string };
  expect(await two.json()).toMatchObject({ id: third.id });
  expect([one, two].map((answer) => answer.headers.get('idempotent-replayed'))).toEqual([null, 'true']);
  expect([three.status, await three.json()]).toMatchObject([422, { error: { code: 'idempotency_key_reused' } }]);
  headers['idempotency-key'] = 'é';
  expect(await (await once({})).json()).toMatchObject({ error: { code: 'invalid_idempotency_key' } });

  const ids: string[] = [];
  for await (const { id } of app.batches.list({ limit: 1 })) ids.push(id);
  expect(ids).toEqual([third.id, second.id, batch.id]);
  expect((await client('other').batches.list()).data).toEqual([]);
  await expect(client('other').batches.retrieve(batch.id)).rejects.toThrow(NotFoundError);

  expect((await app.batches.cancel(batch.id)).status).toBe('cancelling');
  expect((await app.batches.cancel(batch.id)).status).toBe('cancelling');
  await expect(app.batches.cancel(second.id)).rejects.toThrow(ConflictError);
  await expect(app.batches.cancel('batch_none')).rejects.toThrow("No batch found with id 'batch_none'.");
  await expect(app.batches.create({ input_file_id: 'x', endpoint: '/v1/x' as typeof ENDPOINT, completion_window: '24h' })).rejects.toThrow(
    BadRequestError,
  );

  const refused = await fetch(`${gateway.url}/v1/batches/${second.id}/cancel`, {
    method: 'POST',
    headers: { authorization: 'Bearer hg-app-0123456789abcdef' },
  });
  expect(refused.status).toBe(409);
  expect(refused.headers.get('x-should-retry')).toBe('false');
  expect(await refused.json()).toEqual({
    error: { message: "Cannot cancel a batch with status 'failed'.", type: 'invalid_request_error', param: null, code: null },
  });

  const admin = await fetch(`${gateway.url}/admin/batches`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  expect(await admin.json()).toMatchObject({
    batches: [
      { id: third.id, owner: 'app' },
      { id: second.id, owner: 'app', status: 'failed', models: {} },
      { id: batch.id, owner: 'app', status: 'cancelling', models: { m: 2 } },
    ],
    has_more: false,
  });
});
