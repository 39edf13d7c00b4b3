import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { UsageReport } from '../../gateway/usage/usage-report.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled } from './settled.ts';

// Who used how much is known at once, and after a restart.

const KEY = 'hg-the-key-of-the-app-1';
const OTHER = 'hg-the-key-of-another-1';

let worker: FakeVllm;
let gateway: TestGateway | undefined;
let file: string;

beforeEach(async () => {
  worker = await startFakeVllm();
  file = join(scratchFolder(), 'headgate.db');
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await worker[Symbol.asyncDispose]();
});

const KEYS: SettingsInput = {
  auth: {
    keys: [
      { name: 'app', key: KEY },
      { name: 'other', key: OTHER },
    ],
  },
};

async function start(settings: SettingsInput = KEYS): Promise<TestGateway> {
  gateway = await startTestGateway([worker.url], { database: { url: `sqlite:${file}` }, ...settings });
  await gateway.gateway.firstReady;
  return gateway;
}

async function send(to: TestGateway, key = KEY, body: object = chat()): Promise<number> {
  const response = await ask(to.url, body, { headers: { authorization: `Bearer ${key}` } });
  await response.text();
  await settled(to);
  return response.status;
}

const page = (to: TestGateway, query = '') => fetch(`${to.url}/admin/usage${query}`, { headers: AS_ADMIN });
const usage = async (to: TestGateway, query = '') => ((await (await page(to, query)).json()) as UsageReport).usage;

test('requests and tokens of each key are on the page at once, and after a restart', async () => {
  let to = await start();
  await send(to);
  await send(to);
  worker.script = answers.stream(['a', 'b']);
  await send(to, OTHER, chat({ stream: true }));
  const before = await usage(to);
  expect(before).toMatchObject([
    { key: 'app', model: 'm', requests: 2 },
    { key: 'other', model: 'm', requests: 1 },
  ]);
  const metrics = await (await fetch(`${to.url}/metrics`)).text();
  for (const [kind, field] of [
    ['input', 'prompt_tokens'],
    ['output', 'completion_tokens'],
  ] as const) {
    const counted = Number(new RegExp(`headgate_key_tokens_total\\{key="app",model="m",kind="${kind}"\\} (\\d+)`).exec(metrics)?.[1]);
    expect(counted).toBeGreaterThan(0);
    expect(before[0]![field]).toBe(counted);
  }
  await to.stop();
  to = await start();
  expect(await usage(to)).toEqual(before);
  await send(to, KEY, chat({ stream: true }));
  expect(await usage(to, '?key=app&since=1h')).toMatchObject([{ key: 'app', requests: 3 }]);
  const everything = readFileSync(file).toString('latin1') + JSON.stringify(await (await page(to)).json());
  expect(everything).not.toContain(KEY);
});

test('is for operators, and says what is wrong with a question', async () => {
  const to = await start();
  expect((await fetch(`${to.url}/admin/usage`)).status).toBe(401);
  const bad = await page(to, '?since=soon');
  expect(bad.status).toBe(400);
  expect(await errorOf(bad)).toMatchObject({ code: 'invalid_value', param: 'since' });
  expect((await page(to, '?key=a%20b')).status).toBe(400);
  expect((await page(to, '?since=2026-11-28T10:00:00%2B02:00')).status).toBe(200);
});

test('begins with the first key, and costs nothing before', async () => {
  const to = await start({});
  await send(to);
  expect((await page(to)).status).toBe(409);
  expect(() => readFileSync(file)).toThrow('ENOENT');
  to.settings = { database: { url: `sqlite:${file}` }, ...KEYS };
  expect(to.gateway.reload()).toMatchObject({ ok: true, needsRestart: [] });
  await send(to);
  expect(await usage(to)).toMatchObject([{ key: 'app', requests: 1 }]);
});

test('a file that is none stops nothing: it is told once, and the page has what is known', async () => {
  writeFileSync(file, 'no database, but a text of some length that SQLite reads as the head of a file. '.repeat(10));
  const to = await start();
  expect(await send(to)).toBe(200);
  const answer = (await (await page(to)).json()) as UsageReport;
  expect(answer.usage).toMatchObject([{ key: 'app', requests: 1 }]);
  expect(answer.problem).toMatch(/^Only what was used since/);
  const told = to.log.filter(({ event }) => event === 'database.away');
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ level: 'error', reason: 'corrupt', msg: expect.stringContaining('move it away') as unknown });
});
