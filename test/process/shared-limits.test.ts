import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { run, type RunningProcess } from '../support/process.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../support/redis-server.ts';

// Two gateways, one of them of two processes, and one server in which all three count.

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
/** A chat of the fake worker uses so many tokens, and these calls ask for no more. */
const TOKENS = 5;
const MAX_TOKENS = 4;

const KEYS = [
  { name: 'few', limits: { requests_per_minute: 40 } },
  { name: 'many', limits: { requests_per_minute: 150 } },
  { name: 'short', limits: { tokens_per_minute: 60 * TOKENS } },
  { name: 'long', limits: { tokens_per_minute: 120 * TOKENS } },
  { name: 'placed', limits: { concurrent_requests: 2 } },
].map((key) => ({ ...key, key: `hg-the-key-of-${key.name}-1` }));

interface Box {
  readonly process: RunningProcess;
  readonly url: string;
}

let worker: FakeVllm;
let store: RedisServer;
let boxes: Box[] = [];
const folders: string[] = [];

async function startBox(processes: number): Promise<Box> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-shared-'));
  folders.push(folder);
  const settings = {
    server: { port: 0, processes },
    workers: [{ url: worker.url }],
    auth: { keys: KEYS },
    // A busy machine is no slow store.
    state: { url: store.url, timeout_ms: 10_000 },
    shutdown: { settle_ms: 0, grace_ms: 1_000 },
  };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const process = run(globalThis.process.execPath, [CLI, 'gateway'], { cwd: folder });
  const [, url = ''] = await process.prints(/is ready on (http:\/\/[\d.:]+)/);
  return { process, url };
}

beforeAll(async () => {
  if (NO_REDIS_SERVER !== null) return;
  worker = await startFakeVllm();
  store = await startRedisServer();
  boxes = await Promise.all([startBox(1), startBox(2)]);
  await until(async () => (await store.ask('ZCARD', 'headgate:{gateways}')) === ':3\r\n', 'all three are there');
});

afterAll(async () => {
  await Promise.all(boxes.map(({ process }) => process[Symbol.asyncDispose]()));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  await store?.[Symbol.asyncDispose]();
  await worker?.[Symbol.asyncDispose]();
});

/** Over a connection of its own, which goes to whichever process the kernel picks. */
async function send({ url }: Box, name: string): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer hg-the-key-of-${name}-1`, connection: 'close' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: '' }], max_tokens: MAX_TOKENS }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Asks both gateways by turns, four calls at a time, until several in a row are refused. @returns how many were served */
async function flood(name: string): Promise<number> {
  let served = 0;
  let refusedInRow = 0;
  for (let i = 0; refusedInRow < 12 && i < 400; i += 4) {
    const statuses = await Promise.all([0, 1, 2, 3].map((n) => send(boxes[(i + n) % 2]!, name)));
    for (const status of statuses) {
      expect([200, 429]).toContain(status);
      refusedInRow = status === 200 ? 0 : refusedInRow + 1;
      if (status === 200) served += 1;
    }
  }
  return served;
}

describe.skipIf(NO_REDIS_SERVER !== null)(`three processes${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`, () => {
  test('let each key have its limit, all together, and no more', async () => {
    worker.script = answers.completion();
    const startedAt = performance.now();
    const served = await Promise.all(['few', 'many', 'short', 'long'].map(flood));
    // What was served in the next minute would be of another one.
    const most = performance.now() - startedAt < 60_000 ? 1 : 2;
    for (const [i, limit] of [40, 150, 60, 120].entries()) {
      expect(served[i]).toBeLessThanOrEqual(most * limit);
      expect(served[i]).toBeGreaterThanOrEqual(0.98 * limit);
    }
  });

  test('serve on while the server is gone, and count together again when it is back', async () => {
    const page = async (box: Box) => (await fetch(`${box.url}/metrics`)).text();
    await store.kill();
    for (const box of boxes) await until(async () => (await page(box)).includes('headgate_store_up 0'), 'it is gone');
    for (const box of boxes) expect((await fetch(`${box.url}/readyz`)).status).toBe(200);
    // Of two places two of the three have one, and the third has none.
    const statuses = new Set<number>();
    for (let i = 0; i < 12; i++) statuses.add(await send(boxes[i % 2]!, 'placed'));
    expect([...statuses].filter((status) => status !== 429)).toEqual([200]);
    await store.restart();
    for (const box of boxes) await until(async () => (await page(box)).includes('headgate_store_up 1'), 'it is back');
    expect(await flood('few')).toBeLessThanOrEqual(40);
    const lines = boxes[1]!.process.output().split('\n');
    // One process speaks for both.
    expect(lines.filter((line) => line.includes('"event":"store.away"'))).toHaveLength(1);
  });

  test('get the places back that one of them had which was killed', async () => {
    const open: (() => void)[] = [];
    worker.script = (request, response) => void open.push(() => answers.completion()(request, response));
    const lost = [send(boxes[0]!, 'placed'), send(boxes[0]!, 'placed')].map((call) => call.catch(() => 'lost'));
    await until(() => open.length === 2, 'both run');
    expect(await send(boxes[1]!, 'placed')).toBe(429);
    boxes[0]!.process.child.kill('SIGKILL');
    expect(await Promise.all(lost)).toEqual(['lost', 'lost']);
    worker.script = answers.completion();
    await until(async () => (await send(boxes[1]!, 'placed')) === 200, 'a place is free');
  });
});
