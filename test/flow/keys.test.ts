import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { ADMIN_KEY, AS_ADMIN } from '../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat, CHAT_PATH, errorOf } from './asking.ts';
import { endOf, endsOf, settled, statsOf } from './settled.ts';

// Who has a key is served, each as its key says; nobody else is, and what is secret is told nowhere.

const APP = 'hg-the-key-of-the-app-1';
const NIGHT = 'hg-the-key-of-the-night';
const BOSS = 'hg-the-key-of-the-boss-';
const GONE = 'hg-the-key-that-is-over';
const SECRETS = [APP, NIGHT, BOSS, GONE];

const KEYS: NonNullable<NonNullable<SettingsInput['auth']>['keys']> = [
  { name: 'app', key: APP, models: ['gpt-*'] },
  { name: 'night', key_sha256: createHash('sha256').update(NIGHT).digest('hex'), priority: 'batch' },
  { name: 'boss', key: BOSS, admin: true },
  { name: 'gone', key: GONE, expires_at: '2026-01-01' },
];

let worker: FakeVllm;
let gateway: TestGateway;

beforeEach(async () => {
  worker = await startFakeVllm(['m', 'other']);
  gateway = await startTestGateway([worker.url], {
    models: [{ id: 'other' }, { id: 'm', aliases: ['gpt-4o'] }],
    auth: { keys: [...KEYS] },
  });
  await gateway.gateway.firstReady;
});

afterEach(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const page = async (path: string, headers: Record<string, string>) => (await fetch(gateway.url + path, { headers })).text();

describe('a key', () => {
  test('lets its calls in, under its name in log and metrics', async () => {
    for (const headers of [bearer(APP), { 'x-api-key': APP }, { ...bearer(APP), 'x-api-key': APP }]) {
      const response = await ask(gateway.url, chat(), { headers });
      expect(response.status).toBe(200);
      expect(await endOf(gateway, response.headers.get('x-request-id')!)).toMatchObject({ key: 'app', status: 200 });
    }
    const metrics = await page('/metrics', AS_ADMIN);
    expect(metrics).toContain('headgate_key_requests_total{key="app",code="200"} 3');
    expect(metrics).toContain('headgate_key_tokens_total{key="app",model="m",kind="input"} 9');
    expect(metrics).toContain('headgate_key_tokens_total{key="app",model="m",kind="output"} 6');
    // A worker never sees it.
    for (const { headers } of worker.requests) expect(JSON.stringify(headers)).not.toContain('hg-');
  });

  test.each([
    ['none', {}, 'invalid_api_key', 401],
    ['a made-up one', bearer('sk-nothing'), 'invalid_api_key', 401],
    ['one that is over', bearer(GONE), 'invalid_api_key', 401],
    ['half of one', bearer(APP.slice(0, -1)), 'invalid_api_key', 401],
    ['two that differ', { ...bearer(APP), 'x-api-key': NIGHT }, 'conflicting_credentials', 400],
  ] as const)('is asked for: with %s nobody is served', async (_name, headers, code, status) => {
    for (const path of [CHAT_PATH, '/v1/models', '/v1/models/m', '/v1/responses/resp_1']) {
      const response = path === CHAT_PATH ? await ask(gateway.url, chat(), { headers }) : await fetch(gateway.url + path, { headers });
      expect(response.status).toBe(status);
      expect(await errorOf(response)).toMatchObject({ code, type: status === 401 ? 'authentication_error' : 'invalid_request_error' });
      expect(response.headers.get('x-should-retry')).toBe('false');
      expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
    }
    expect(worker.requests).toEqual([]);
    expect(endsOf(gateway).every(({ key }) => key === undefined)).toBe(true);
  });

  test('is not asked for by probes, figures and the front page', async () => {
    for (const path of ['/', '/livez', '/readyz', '/startupz', '/health', '/version', '/stats', '/metrics'])
      expect((await fetch(gateway.url + path)).status).toBe(200);
  });

  test('shows whose a bad request was', async () => {
    const response = await ask(gateway.url, '{', { headers: bearer(APP) });
    expect(response.status).toBe(400);
    expect(await endOf(gateway, response.headers.get('x-request-id')!)).toMatchObject({ key: 'app', code: 'invalid_json' });
    expect(await page('/metrics', AS_ADMIN)).toContain('headgate_key_requests_total{key="app",code="400"} 1');
  });
});

describe('models', () => {
  test('that a key may not use do not exist for it', async () => {
    const ids = async (key: string) =>
      ((await (await fetch(`${gateway.url}/v1/models`, { headers: bearer(key) })).json()) as { data: { id: string }[] }).data.map(
        ({ id }) => id,
      );
    expect(await ids(APP)).toEqual(['m', 'gpt-4o']);
    expect(await ids(NIGHT)).toEqual(['other', 'm', 'gpt-4o']);
    for (const name of ['other', 'nothing']) {
      const refused = await ask(gateway.url, chat({ model: name }), { headers: bearer(APP) });
      expect(refused.status).toBe(404);
      expect(await errorOf(refused)).toMatchObject({
        code: 'model_not_found',
        message: `The model \`${name}\` does not exist. There is m.`,
      });
      expect((await fetch(`${gateway.url}/v1/models/${name}`, { headers: bearer(APP) })).status).toBe(404);
    }
    expect((await fetch(`${gateway.url}/v1/models/m`, { headers: bearer(APP) })).status).toBe(200);
    expect((await ask(gateway.url, chat({ model: 'other' }), { headers: bearer(NIGHT) })).status).toBe(200);
  });

  test('that it names or not: without a name it gets the first that it may use', async () => {
    const { model: _, ...unnamed } = chat() as { model: string };
    const response = await ask(gateway.url, unnamed, { headers: bearer(APP) });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-headgate-model')).toBe('m');
    // Its worker would take its own first.
    expect(JSON.parse(worker.requests.at(-1)!.body)).toMatchObject({ model: 'm' });
  });
});

test('a form that names no model, or two, does not get around that', async () => {
  const upload = async (...models: string[]) => {
    const form = new FormData();
    for (const model of models) form.append('model', model);
    form.append('file', new Blob(['RIFF']), 'a.wav');
    return fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', headers: bearer(APP), body: form });
  };
  expect((await upload()).status).toBe(404);
  expect((await upload('m', 'other')).status).toBe(400);
  expect((await upload('other')).status).toBe(404);
  expect((await upload('m')).status).toBe(200);
  expect(worker.requests).toHaveLength(1);
});

test('a key of the lower class stays there, another may ask for it', async () => {
  const classOf = async (key: string, asked?: string) => {
    const response = await ask(gateway.url, chat(), { headers: { ...bearer(key), ...(asked && { 'x-headgate-priority': asked }) } });
    expect(response.status).toBe(200);
    return (await endOf(gateway, response.headers.get('x-request-id')!))['priority'];
  };
  expect(await classOf(NIGHT)).toBe('batch');
  expect(await classOf(NIGHT, 'interactive')).toBe('batch');
  expect(await classOf(APP)).toBe('interactive');
  expect(await classOf(APP, 'batch')).toBe('batch');
});

test('a call that says it has time is of the lower class', async () => {
  for (const [tier, priority] of [
    ['flex', 'batch'],
    ['priority', 'interactive'],
    ['auto', 'interactive'],
  ]) {
    const response = await ask(gateway.url, chat({ service_tier: tier }), { headers: bearer(APP) });
    expect((await endOf(gateway, response.headers.get('x-request-id')!))['priority']).toBe(priority);
  }
});

test('a stranger who sends 100 MB is answered after the head, and none of it is read', async () => {
  const socket = connect(gateway.port, '127.0.0.1');
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (data) => (answer += data.toString('latin1')));
  socket.write(
    `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer wrong\r\nexpect: 100-continue\r\ncontent-length: 30000000\r\n\r\n`,
  );
  await until(() => answer.includes('\r\n\r\n'), 'an answer');
  expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  expect(answer).not.toContain('100 Continue');
  socket.destroy();
});

test('wrong keys are told so at once at first, and then one after the other', { timeout: 30_000 }, async () => {
  const began = performance.now();
  const codes = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => (await ask(gateway.url, chat(), { headers: bearer(`hg-try-${i}`) })).status),
  );
  expect(new Set(codes)).toEqual(new Set([401]));
  const next = await ask(gateway.url, chat(), { headers: bearer('hg-try-once-more') });
  expect(next.status).toBe(401);
  // It was held for two seconds; those before it were not, or they would have been twenty times that.
  expect(performance.now() - began).toBeGreaterThan(1_900);
  // Whoever has a key does not wait for that.
  expect((await ask(gateway.url, chat(), { headers: bearer(APP) })).status).toBe(200);
});

describe('what is for operators', () => {
  test('opens to a key that says so, and to no other', async () => {
    for (const path of ['/admin/status', '/admin/config', '/debug/runtime']) {
      expect((await fetch(gateway.url + path, { headers: bearer(BOSS) })).status).toBe(200);
      expect((await fetch(gateway.url + path, { headers: AS_ADMIN })).status).toBe(200);
    }
    const refused = await fetch(`${gateway.url}/admin/status`, { headers: bearer(NIGHT) });
    expect(refused.status).toBe(401);
    // The operator's own key is none of a client's.
    expect((await ask(gateway.url, chat(), { headers: bearer(ADMIN_KEY) })).status).toBe(401);
  });

  test('includes /metrics where that is not public', async () => {
    gateway.settings = { ...gateway.settings, metrics: { public: false } };
    gateway.gateway.reload();
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(401);
    for (const headers of [AS_ADMIN, bearer(BOSS)]) expect((await fetch(`${gateway.url}/metrics`, { headers })).status).toBe(200);
  });
});

test('other keys hold from a reload on, without a call cut', async () => {
  let finish = (): void => {};
  worker.script = (_request, response) => {
    finish = () => answers.completion()(_request, response);
  };
  const running = ask(gateway.url, chat(), { headers: bearer(APP) });
  await until(() => worker.requests.length === 1, 'it is at the worker');
  gateway.settings = { ...gateway.settings, auth: { keys: [{ name: 'new', key: 'hg-the-key-of-tomorrow' }] } };
  expect(gateway.gateway.reload()).toMatchObject({ ok: true, changed: ['auth.keys'], needsRestart: [] });
  expect((await ask(gateway.url, chat(), { headers: bearer(APP) })).status).toBe(401);
  finish();
  expect((await running).status).toBe(200);
  worker.script = answers.completion();
  expect((await ask(gateway.url, chat(), { headers: bearer('hg-the-key-of-tomorrow') })).status).toBe(200);
  await settled(gateway);
});

test('an answer that a worker keeps is its owner’s alone', async () => {
  const second = await startFakeVllm();
  await using both = await startTestGateway([worker.url, second.url], { auth: { keys: [...KEYS] } });
  await until(async () => (await statsOf(both)).workers.every(({ state }) => state === 'ready'), 'both ready');
  for (const each of [worker, second]) {
    each.script = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ id: 'resp_mine', object: 'response', status: 'completed', output: [], usage: { output_tokens: 1 } }));
    };
    each.pages['/v1/responses/resp_mine'] = { id: 'resp_mine' };
  }
  const made = await ask(both.url, { model: 'm', input: 'hi' }, { path: '/v1/responses', headers: bearer(NIGHT) });
  expect(made.status).toBe(200);
  await made.text();
  const statusFor = async (key: string) => (await fetch(`${both.url}/v1/responses/resp_mine`, { headers: bearer(key) })).status;
  expect(await statusFor(BOSS)).toBe(404);
  expect(await statusFor(NIGHT)).toBe(200);
  const goOn = (key: string) =>
    ask(both.url, { model: 'm', input: 'go on', previous_response_id: 'resp_mine' }, { path: '/v1/responses', headers: bearer(key) });
  expect((await goOn(NIGHT)).status).toBe(200);
  // Nor does another key go on from it, or from one that nobody knows.
  expect((await goOn(BOSS)).status).toBe(404);
  expect(await errorOf(await goOn(BOSS))).toMatchObject({ code: 'not_found', param: 'previous_response_id' });
  await second[Symbol.asyncDispose]();
});

test('no secret is told: not in the log, the metrics, the settings as explained, or the bundle', async () => {
  for (const key of [...SECRETS, 'hg-a-wrong-secret']) await (await ask(gateway.url, chat(), { headers: bearer(key) })).text();
  gateway.gateway.reload();
  const told = [
    JSON.stringify(gateway.log),
    await page('/metrics', AS_ADMIN),
    await page('/stats', {}),
    await page('/admin/config', AS_ADMIN),
    await page('/admin/status', AS_ADMIN),
    await page('/admin/debug/bundle', AS_ADMIN),
    JSON.stringify(gateway.gateway),
  ].join('\n');
  for (const secret of [...SECRETS, 'hg-a-wrong-secret', createHash('sha256').update(NIGHT).digest('hex')])
    expect(told).not.toContain(secret);
  expect(told).toContain('"app"');
});

test('the openai SDK says what is wrong with a key, and does not try again', async () => {
  const client = (apiKey: string) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey });
  await expect(client('hg-wrong').chat.completions.create({ model: 'gpt-4o', messages: [] })).rejects.toThrow(OpenAI.AuthenticationError);
  await expect(client(APP).models.retrieve('other')).rejects.toThrow(OpenAI.NotFoundError);
  const answer = await client(APP).chat.completions.create({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] });
  expect(answer.choices[0]?.message.content).toBe('Hello');
  expect(worker.requests).toHaveLength(1);
});

test('where anyone is let in, a made-up key is none, and one of ours that is not known is wrong', async () => {
  gateway.settings = { ...gateway.settings, auth: { keys: [...KEYS], allow_anonymous: true } };
  gateway.gateway.reload();
  const statusWith = async (headers: Record<string, string>) => (await ask(gateway.url, chat(), { headers })).status;
  expect(await statusWith({})).toBe(200);
  expect(await statusWith(bearer('sk-no-key-required'))).toBe(200);
  expect(await statusWith(bearer(APP))).toBe(200);
  expect(await statusWith(bearer('hg-taken-out'))).toBe(401);
});
