import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MOST_BYTES } from '../../gateway/bundle/assemble.ts';
import { ADMIN_KEY, AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { errorOf } from './asking.ts';

/** Texts that a stranger must not read, and where each of them stands. */
const PLANTED = {
  clientKey: 'sk-planted-client-key-0001',
  hashOf: 'ab12'.repeat(16),
  tenant: 'planted-tenant',
  storeUser: 'planteduser',
  storePassword: 'pl@nted/store"pass',
  storeHost: 'valkey.planted.internal',
  header: 'Bearer planted-otlp-token-22',
  collector: 'otel.planted.internal',
  workerKey: 'planted-worker-key-333',
  template: '/srv/planted/template.jinja',
  flagKey: 'planted-flag-key-4444',
  origin: 'https://app.planted.example',
  proxy: '10.77.66.0/24',
  prompt: 'the planted prompt of a client who trusts us',
  answer: 'the planted answer that nobody else may read',
  email: 'planted@mail.example',
  hubToken: 'hf_PlantedHubTokenAbCd12345678',
  signed: 'PlantedSignature0123',
  engineHost: '10.99.88.77',
  requestId: 'planted-request-of-bob',
  path: '/v1/planted-path-of-a-client',
};

/** Every spelling in which one of them would be of use. */
function spellings(text: string): string[] {
  const bytes = Buffer.from(text);
  return [
    text,
    JSON.stringify(text).slice(1, -1),
    JSON.stringify(JSON.stringify(text)).slice(3, -3),
    encodeURIComponent(text),
    bytes.toString('base64').replace(/=+$/, '').slice(0, -1),
    bytes.toString('base64url').slice(0, -1),
    bytes.toString('hex'),
  ];
}

/** What base64 may hide, from wherever it begins. */
function decoded(text: string): string {
  const runs = text.match(/[\w+/-]{16,}/g) ?? [];
  return runs.flatMap((run) => [0, 1, 2, 3].map((at) => Buffer.from(run.slice(at), 'base64').toString('latin1'))).join('\n');
}

function foundIn(shown: string): string[] {
  const text = `${shown}\n${decoded(shown)}`;
  return Object.entries(PLANTED).flatMap(([name, planted]) =>
    spellings(planted).some((spelt) => text.includes(spelt)) || text.toLowerCase().includes('planted-') ? [name] : [],
  );
}

const PASSWORD = encodeURIComponent(PLANTED.storePassword);
const SETTINGS = {
  auth: {
    allow_anonymous: true,
    keys: [
      { name: PLANTED.tenant, key: PLANTED.clientKey },
      { name: 'other', key_sha256: PLANTED.hashOf },
    ],
  },
  state: { url: `redis://${PLANTED.storeUser}:${PASSWORD}@${PLANTED.storeHost}:6379`, prefix: 'planted:' },
  telemetry: { otlp_endpoint: `http://${PLANTED.collector}:4318`, headers: { authorization: PLANTED.header } },
  limits: { trusted_proxies: [PLANTED.proxy] },
  server: { cors: { allowed_origins: [PLANTED.origin] } },
  models: [
    {
      id: 'mistral-7b-instruct',
      engine: { 'chat-template': PLANTED.template, 'api-key': PLANTED.flagKey, 'hf-overrides': { url: `http://${PLANTED.storeHost}` } },
    },
  ],
};

/** A state folder in which all of it stands once more, in whatever way it may. */
function stateFolder(): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'), { recursive: true });
  const all = Object.values(PLANTED);
  const entry = (event: string, fields: object) =>
    `${JSON.stringify({ at: '2026-01-02T03:04:05.678Z', by: 'supervisor', process: 1, level: 'error', event, msg: `it was ${PLANTED.storeHost}`, ...fields })}\n`;
  const failure = {
    worker: 'worker-1',
    class: 'oom-kv',
    phase: 'start',
    message: `no ${PLANTED.engineHost}: ${PLANTED.flagKey} of "${PLANTED.prompt}"`,
    advice: `ask ${PLANTED.email}`,
    prompt: PLANTED.prompt,
  };
  const history = [
    ...Array.from({ length: 900 }, () => entry('worker.state', { worker: 'worker-1', key: PLANTED.tenant, path: PLANTED.path })),
    entry('worker.failure', failure),
    entry('nobody.knows', { message: PLANTED.prompt }),
    '{"at": "half a li\n\u0000\u0001\u0002\n',
    `${all.join(' ')}\n`,
  ];
  writeFileSync(join(folder, 'events-supervisor.jsonl'), history.join(''));
  writeFileSync(join(folder, 'events-gateway.jsonl'), Buffer.alloc(200_000, 0xfe));
  const log = [
    'INFO 11-30 00:00:00 [core.py:1] the engine is up',
    ...all.map((text) => `INFO 11-30 00:00:00 [logger.py:39] Received request ${PLANTED.requestId}: prompt: '${text}'`),
    `INFO 11-30 00:00:00 [logger.py:39] Generated response x: output: '${PLANTED.answer}'`,
    `ERROR 11-30 00:00:00 [core.py:5] HF_TOKEN=${PLANTED.hubToken} at http://bob:${PASSWORD}@${PLANTED.storeHost}/x?Signature=${PLANTED.signed}`,
    `ERROR 11-30 00:00:00 [core.py:6] ${Buffer.from(`u:${PLANTED.clientKey}`).toString('base64')} from ${PLANTED.engineHost}, ${PLANTED.email}`,
    `ERROR 11-30 00:00:00 [core.py:7] {"messages": [{"content": "${PLANTED.prompt}"}]}`,
    PLANTED.prompt,
    'RuntimeError: CUDA error: out of memory',
  ].join('\n');
  writeFileSync(join(folder, 'logs', 'worker-1.test-model.log'), `${log}\n`.repeat(400));
  writeFileSync(join(folder, 'logs', 'worker-1.test-model.failed.log'), `${log}\n`);
  writeFileSync(join(folder, 'logs', 'worker-2.test-model.log'), Buffer.alloc(300_000, 0xc3));
  const kept = all.map((text) => {
    const said = { level: 'info', time: '2026-01-02T03:04:05.678Z', event: 'request.end', msg: 'request complete', key: PLANTED.tenant };
    return `${JSON.stringify({ ...said, request_id: PLANTED.requestId, path: PLANTED.path, message: `no ${PLANTED.engineHost}: ${PLANTED.flagKey} of "${PLANTED.prompt}"`, prompt: text })}\n`;
  });
  writeFileSync(join(folder, 'logs', 'gateway.1.jsonl'), kept.join('').repeat(20));
  writeFileSync(join(folder, 'logs', 'supervisor.jsonl'), `${kept.join('')}${all.join(' ')}\n`);
  return folder;
}

test('the bundle of a gateway holds what explains it, and nothing that was planted anywhere, in any spelling', async () => {
  await using worker = await startFakeVllm(['mistral-7b-instruct']);
  const settings = { ...SETTINGS, workers: [{ url: worker.url, api_key: PLANTED.workerKey }] };
  await using gateway = await startTestGateway([], settings, () => [], stateFolder());
  await gateway.gateway.firstReady;
  const body = JSON.stringify({ messages: [{ role: 'user', content: PLANTED.prompt }] });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${PLANTED.clientKey}`, 'x-request-id': PLANTED.requestId };
  for (const path of ['/v1/chat/completions', PLANTED.path])
    await (await fetch(gateway.url + path, { method: 'POST', headers, body })).text();
  const answer = await fetch(`${gateway.url}/admin/debug/bundle`, { headers: AS_ADMIN });
  expect(answer.status).toBe(200);
  const text = await answer.text();
  expect(foundIn(text)).toEqual([]);
  expect(text).not.toContain(ADMIN_KEY);
  expect(Buffer.byteLength(text)).toBeLessThan(MOST_BYTES);
  const bundle = JSON.parse(text) as any;
  // It tells what helps all the same.
  expect(bundle.summary.join(' ')).toContain('state.url does not answer');
  expect(bundle.settings.values.auth.keys[0].name.value).toMatch(/^<key #\d+, 14 characters>$/);
  expect(bundle.settings.values.batches.max_running).toBe(4);
  expect(bundle.last_failures).toMatchObject([{ worker: 'worker-1', failure: { class: 'oom-kv', phase: 'start' } }]);
  expect(bundle.history).toMatchObject({ unknown_entries_left_out: 1, older_entries_left_out: expect.any(Number) as unknown });
  expect(bundle.history.broken_lines).toBeGreaterThan(2);
  expect(bundle.engine_logs.last_failed.tail).toContain('RuntimeError: CUDA error: out of memory');
  expect(bundle.engine_logs.workers).toHaveLength(2);
  expect(bundle.status.workers).toMatchObject([{ state: 'ready', in_flight: 0 }]);
  expect(bundle.metrics.lines.join('\n')).toContain('headgate_requests_total{');
  expect(bundle.gateway_log['process 1'].newest_first.map(({ event }: any) => event)).toContain('request.end');
  expect(bundle.kept_logs.gateway.newest_first.length).toBeGreaterThan(100);
  expect(bundle.kept_logs.supervisor).toMatchObject({ lines_left_out: 1 });
  expect(bundle.stores).toMatchObject({ shared_state: 'redis', shared_state_up: false });

  // The same text has the same number wherever it stands.
  const key = bundle.settings.values.auth.keys[0].name.value as string;
  expect(bundle.metrics.lines.some((line: string) => line.includes(`key="${key}"`))).toBe(true);
});

test('the desk is open to operators alone, one at a time, and says when to come back', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const url = `${gateway.url}/admin/debug/bundle`;
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { method: 'HEAD', headers: AS_ADMIN })).status).toBe(200);
  const answers = await Promise.all([1, 2, 3].map(() => fetch(url, { headers: AS_ADMIN })));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 429, 429]);
  const refused = answers.find(({ status }) => status === 429)!;
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(5);
  expect(await errorOf(refused)).toMatchObject({
    code: 'bundle_too_soon',
    message: expect.stringMatching(/Ask again in \d+ s\.$/) as unknown,
  });
});

test('without a state folder, and with one that is a file, there is a bundle', async () => {
  await using worker = await startFakeVllm();
  for (const folder of [undefined, join(scratchFolder(), 'nowhere')]) {
    await using gateway = await startTestGateway([worker.url], {}, () => [], folder);
    const answer = await fetch(`${gateway.url}/admin/debug/bundle`, { headers: AS_ADMIN });
    const bundle = (await answer.json()) as any;
    expect(bundle.headgate_bundle).toBe(1);
    if (folder === undefined) expect(bundle.left_out).toContainEqual({ part: 'history', why: 'there is none here' });
  }
});
