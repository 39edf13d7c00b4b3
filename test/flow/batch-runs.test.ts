import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, type FakeVllm, type Script, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat } from './asking.ts';
import { batchOf, ended, inputLine, submit } from './batch-scene.ts';

let worker: FakeVllm;
let gateway: TestGateway | undefined;

beforeEach(async () => {
  worker = await startFakeVllm();
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await worker[Symbol.asyncDispose]();
});

async function withBatches(settings: SettingsInput = {}): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], { log: { level: 'warn' }, ...settings }, undefined, scratchFolder());
  await gateway.gateway.firstReady;
  return gateway;
}

const numbered = (count: number, content = (at: number) => `say ${at}`): string[] =>
  Array.from({ length: count }, (_, at) => inputLine(`line-${at}`, content(at)));

const contentOf = (body: string): string => (JSON.parse(body) as { messages: { content: string }[] }).messages[0]!.content;

test(
  'each line ends once: answers in one file, errors in the other, and what a worker fails is tried again',
  { timeout: 60_000 },
  async () => {
    const failedOnce = new Set<string>();
    worker.script = (request, response) => {
      const content = contentOf(request.body);
      let script: Script = answers.completion(content);
      if (content.startsWith('bad')) script = answers.error(400, { error: { message: 'no', type: 'BadRequestError', code: 400 } });
      else if (content.startsWith('heals') && !failedOnce.has(content)) {
        failedOnce.add(content);
        script = answers.error(500, { error: { message: 'oh', type: 'InternalServerError', code: 500 } });
      }
      script(request, response);
    };
    const to = await withBatches({ circuit_breaker: { failures: 10_000, failure_rate: 1 } });
    const id = await submit(
      to.url,
      numbered(400, (at) => (at % 50 === 7 ? `bad ${at}` : at % 100 === 3 ? `heals ${at}` : `say ${at}`)),
    );
    const { batch, output, errors } = await ended(to, id);
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 400, completed: 392, failed: 8 } });
    expect(new Set([...output, ...errors].map((line) => line.custom_id)).size).toBe(400);
    expect([output.length, errors.length]).toEqual([392, 8]);
    expect(errors.every(({ response }) => response?.status_code === 400)).toBe(true);
    expect(batch.usage).toMatchObject({ input_tokens: 392 * 3, output_tokens: 392 * 2 });
    for (const { custom_id, response } of output) {
      const said = (response!.body['choices'] as { message: { content: string } }[])[0]!.message.content;
      expect(said.split(' ')[1]).toBe(custom_id.split('-')[1]);
    }
    const metrics = await (await fetch(`${to.url}/metrics`)).text();
    expect(metrics).toContain('headgate_batch_lines_total{result="completed"} 392');
    expect(metrics).toContain('headgate_batch_lines_running 0');
  },
);

test('an interactive call waits for the end of no line: the newest gives way, and runs again', { timeout: 60_000 }, async () => {
  /** Lines that the worker holds, and what it has been asked, in order. */
  const held: { content: string; end: () => void }[] = [];
  const order: string[] = [];
  worker.script = (request, response) => {
    const content = contentOf(request.body);
    order.push(content);
    if (content.startsWith('say')) {
      held.push({ content, end: () => !response.destroyed && answers.completion(content)(request, response) });
      response.on('close', () => response.writableFinished || order.push(`cut ${content}`));
    } else answers.completion('quick')(request, response);
  };
  const to = await withBatches({ admission: { headroom: 0 }, workers: [{ url: worker.url, max_num_seqs: 4 }] });
  const id = await submit(to.url, numbered(12));
  await until(() => held.length === 4, 'lines have all places');
  expect(order).toHaveLength(4);
  const newest = order.at(-1)!;
  expect((await ask(to.url, chat())).status).toBe(200);
  // No line has ended, and the one that came last was taken back for it.
  expect(order.filter((content) => content.startsWith('cut'))).toEqual([`cut ${newest}`]);
  worker.script = (request, response) => answers.completion(contentOf(request.body))(request, response);
  for (const { end } of held) end();
  const { batch, output, errors } = await ended(to, id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 12, completed: 12, failed: 0 } });
  expect(new Set(output.map((line) => line.custom_id)).size).toBe(12);
  expect(errors).toEqual([]);
});

test('what has been answered is there for its owner before the batch has ended, and for nobody else', { timeout: 60_000 }, async () => {
  let end = (): void => {};
  worker.script = (request, response) => {
    const answer = (): void => answers.completion('quick')(request, response);
    if (contentOf(request.body) === 'last') end = answer;
    else answer();
  };
  const keys = ['app', 'other'].map((name) => ({ name, key: `hg-${name}-0123456789abcdef` }));
  const to = await withBatches({ auth: { keys } });
  const [own, other] = keys.map(({ key }) => ({ authorization: `Bearer ${key}` }));
  const id = await submit(to.url, [...numbered(3), inputLine('last', 'last')], own);
  const soFar = (headers = own, after = '') => fetch(`${to.url}/v1/batches/${id}/output?after=${after}`, { headers: headers! });
  const seen: string[] = [];
  let [after, status] = ['', ''];
  const look = async (): Promise<void> => {
    const answer = await soFar(own, after);
    seen.push(...(await answer.text()).split('\n').slice(0, -1));
    [after, status] = [answer.headers.get('x-headgate-next')!, answer.headers.get('x-headgate-batch-status')!];
  };
  await until(async () => (await look(), seen.length === 3), 'three lines', 30_000);
  expect(seen.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id).toSorted()).toEqual(['line-0', 'line-1', 'line-2']);
  expect(status).toBe('in_progress');
  expect((await soFar(other)).status).toBe(404);
  end();
  const { output } = await ended(to, id, own);
  expect(output).toHaveLength(4);
  await until(async () => (await look(), status === 'completed'), 'word of its end', 30_000);
  // Each came once at most: what was written last may be in the file alone.
  expect(new Set(seen).size).toBe(seen.length);
});

test('a batch that is cancelled ends its lines: those that never ran say so', { timeout: 60_000 }, async () => {
  const held: (() => void)[] = [];
  worker.script = (request, response) => void held.push(() => answers.completion()(request, response));
  const to = await withBatches({ workers: [{ url: worker.url, max_num_seqs: 2 }], batches: { cancel_grace_ms: 60_000 } });
  const id = await submit(to.url, numbered(300));
  await until(() => held.length === 2, 'two lines run');
  const cancelled = await fetch(`${to.url}/v1/batches/${id}/cancel`, { method: 'POST' });
  expect(await cancelled.json()).toMatchObject({ status: 'cancelling' });
  await until(async () => (await batchOf(to.url, id)).status === 'cancelling', 'it is being cancelled');
  for (const end of held) end();
  const { batch, output, errors } = await ended(to, id);
  expect(batch).toMatchObject({ status: 'cancelled', request_counts: { total: 300, completed: 2, failed: 0 } });
  expect([output.length, errors.length]).toEqual([2, 298]);
  expect(new Set(errors.map(({ error }) => error?.code))).toEqual(new Set(['batch_cancelled']));
  expect(worker.requests).toHaveLength(2);
});

test('a worker that dies costs no line', { timeout: 60_000 }, async () => {
  let asked = 0;
  worker.script = (request, response) => {
    asked++;
    if (asked % 40 === 0) response.socket?.resetAndDestroy();
    else answers.completion(contentOf(request.body))(request, response);
  };
  const to = await withBatches({ circuit_breaker: { failures: 10_000, failure_rate: 1 }, retry: { max_attempts: 1 } });
  const { batch, output } = await ended(to, await submit(to.url, numbered(200)));
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 200, completed: 200, failed: 0 } });
  expect(new Set(output.map((line) => line.custom_id)).size).toBe(200);
});

const KEY = 'hg-the-key-of-the-app-1';
const AS_APP = { authorization: `Bearer ${KEY}` };

test('a budget that is used up pauses the batch until there is a new one', { timeout: 60_000 }, async () => {
  const keys = [{ name: 'app', key: KEY, limits: { tokens_per_day: 2_000 } }];
  const to = await withBatches({ auth: { keys } });
  const id = await submit(to.url, numbered(500), AS_APP);
  await until(() => to.log.some(({ event, batch }) => event === 'batch.paused' && batch === id), 'it is paused');
  expect(to.log.find(({ event }) => event === 'batch.paused')).toMatchObject({
    reason: expect.stringMatching(/^Quota exceeded for app on tokens per day/) as string,
  });
  const { status, request_counts } = await batchOf(to.url, id, AS_APP);
  expect(status).toBe('in_progress');
  expect(request_counts.failed).toBe(0);
});

test('a batch whose key has been taken out stands still, and goes on when the key is there again', { timeout: 60_000 }, async () => {
  const held: (() => void)[] = [];
  worker.script = (request, response) => void held.push(() => answers.completion()(request, response));
  const [app, other] = [
    { name: 'app', key: KEY },
    { name: 'other', key: 'hg-the-key-of-another-1' },
  ];
  const to = await withBatches({ auth: { keys: [app, other] }, workers: [{ url: worker.url, max_num_seqs: 2 }] });
  const id = await submit(to.url, numbered(6), AS_APP);
  await until(() => held.length === 2, 'two lines run');
  to.settings = { ...to.settings, auth: { keys: [other] } };
  expect(to.gateway.reload().ok).toBe(true);
  await until(() => to.log.some(({ event }) => event === 'batch.paused'), 'it is paused');
  for (const end of held.splice(0)) end();
  to.settings = { ...to.settings, auth: { keys: [app, other] } };
  expect(to.gateway.reload().ok).toBe(true);
  worker.script = answers.completion();
  const { batch } = await ended(to, id, AS_APP);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 6, completed: 6, failed: 0 } });
});
