import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ADMIN_KEY, AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { ask as send } from '../support/raw-client.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { ask, chat, errorOf } from './asking.ts';
import { rawRequest } from './raw-request.ts';
import { settled } from './settled.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

/** nginx's `location / { proxy_pass URL; }`: another Host, and no word of who asks. */
async function plainProxy(url: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((incoming, response) => {
    const { host: _, connection: __, ...headers } = incoming.headers;
    const onward = request(new URL(incoming.url!, url), { method: incoming.method!, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a stranger behind a plain proxy on this machine commands nothing; whoever has the key does', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  await using proxy = await plainProxy(gateway.url);
  expect((await ask(proxy.url, chat())).status).toBe(200);
  for (const path of ['/admin/workers/x/drain', '/admin/workers/x/restart', '/admin/models/m/unload', '/admin/reload']) {
    const refused = await fetch(proxy.url + path, { method: 'POST' });
    expect(refused.status).toBe(401);
    expect((await errorOf(refused)).code).toBe('invalid_api_key');
  }
  for (const path of ['/admin/status', '/admin/config', '/admin/debug/bundle', '/debug/runtime'])
    expect((await fetch(proxy.url + path)).status).toBe(401);
  expect((await fetch(`${proxy.url}/admin/reload`, { method: 'POST', headers: AS_ADMIN })).status).toBe(202);
  await settled(gateway);
});

test(
  'the key that is made at the start is told of by its place alone, found by the command line, and kept',
  { timeout: 120_000 },
  async () => {
    const folder = scratchFolder();
    await using worker = await startFakeVllm();
    const settings = { workers: [{ url: worker.url }], server: { port: await freePort() }, shutdown: { settle_ms: 0 } };
    writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
    const options = { cwd: folder, env: { HEADGATE_ADMIN__KEY: '' } };
    await using headgate = run(process.execPath, [CLI, 'gateway'], options);
    const [line] = await headgate.prints(/Headgate is ready on [^"\n]*/);
    expect(line).toMatch(/ · admin key in \.headgate\/admin\.key$/);
    const file = join(folder, '.headgate', 'admin.key');
    const key = readFileSync(file, 'utf8').trim();
    const url = `http://127.0.0.1:${settings.server.port}`;
    expect((await fetch(`${url}/admin/config`, { headers: { 'x-api-key': key } })).status).toBe(200);
    expect((await fetch(`${url}/admin/config`)).status).toBe(401);

    await using status = run(process.execPath, [CLI, 'status'], options);
    await using drain = run(process.execPath, [CLI, 'drain', 'nobody'], options);
    await using swap = run(process.execPath, [CLI, 'swap', 'm'], options);
    // Another folder, another state folder.
    await using elsewhere = run(process.execPath, [CLI, 'status', '--port', String(settings.server.port)], {
      ...options,
      cwd: scratchFolder(),
    });
    await using wrong = run(process.execPath, [CLI, 'status'], { cwd: folder, env: { HEADGATE_ADMIN__KEY: 'the-key-of-another-gateway' } });
    expect(await status.exited).toBe(0);
    expect(status.output()).toContain('WORKER');
    expect(await drain.exited).toBe(1);
    expect(drain.output()).toContain('There is no worker nobody');
    expect(await swap.exited).toBe(0);
    expect(await elsewhere.exited).toBe(1);
    expect(elsewhere.output()).toMatch(/asks for its admin key, and there is none in .*admin\.key: .* or set HEADGATE_ADMIN__KEY/);
    expect(await wrong.exited).toBe(1);
    expect(wrong.output()).toContain('has another admin key than the one that is set here');

    headgate.child.kill('SIGTERM');
    expect(await headgate.exited).toBe(0);
    for (const { output } of [headgate, status, drain, swap, elsewhere, wrong]) expect(output()).not.toContain(key);
    expect(readFileSync(file, 'utf8').trim()).toBe(key);
  },
);

test('a state folder that cannot be written to closes /admin with advice in the log, and nothing else', async () => {
  await using worker = await startFakeVllm();
  // Not even root can write there.
  await using gateway = await startTestGateway([worker.url], { admin: { key: null }, supervisor: { state_dir: '/sys/headgate' } });
  await gateway.gateway.firstReady;
  expect((await ask(gateway.url, chat())).status).toBe(200);
  for (const headers of [{}, AS_ADMIN, { 'x-api-key': 'null' }]) {
    const refused = await fetch(`${gateway.url}/admin/status`, { headers });
    expect(refused.status).toBe(403);
    expect((await errorOf(refused)).message).toContain('closed');
  }
  expect(gateway.log).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      event: 'admin.key',
      msg: expect.stringMatching(/\/sys\/headgate.*supervisor\.state_dir.*HEADGATE_ADMIN__KEY/),
    }),
  );
  await settled(gateway);
});

test('a reload takes another key from the settings, and a new one where the file was removed', async () => {
  await using worker = await startFakeVllm();
  const state_dir = scratchFolder();
  const supervisor = { state_dir };
  await using gateway = await startTestGateway([worker.url], { admin: { key: null }, supervisor });
  const status = (key: string) => fetch(`${gateway.url}/admin/status`, { headers: { 'x-api-key': key } }).then((answer) => answer.status);
  const file = join(state_dir, 'admin.key');
  const first = readFileSync(file, 'utf8').trim();
  expect(await status(first)).toBe(200);
  rmSync(file);
  expect(gateway.gateway.reload().ok).toBe(true);
  const second = readFileSync(file, 'utf8').trim();
  expect(second).not.toBe(first);
  expect(await status(second)).toBe(200);
  gateway.settings = { admin: { key: ADMIN_KEY }, supervisor };
  expect(gateway.gateway.reload().ok).toBe(true);
  expect(await Promise.all([first, second, ADMIN_KEY].map(status))).toEqual([401, 401, 200]);
  expect(existsSync(file)).toBe(true);
  expect(JSON.stringify(gateway.log)).not.toMatch(new RegExp(`${first}|${second}|${ADMIN_KEY}`));
});

test('an operator is let in while wrong keys wait, and each wrong one costs its connection', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  let answered = 0;
  const guesses = Array.from({ length: 20 }, async (_, i) => {
    const headers = { authorization: `Bearer guess-${i}`, 'x-request-id': `guess-${i}` };
    const answer = await send(gateway.port, rawRequest('GET', '/admin/status', headers).repeat(2));
    answered++;
    return answer;
  });
  expect((await fetch(`${gateway.url}/admin/status`, { headers: AS_ADMIN })).status).toBe(200);
  expect(answered).toBe(0);
  for (const { status, headers } of await Promise.all(guesses)) expect([status, headers['connection']]).toEqual([401, 'close']);
});

test('a page that has its own name lead to this machine reaches nothing but probes', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const rebound = { host: 'evil.example', origin: 'http://evil.example', 'content-type': 'application/json' };
  const said = await send(gateway.port, rawRequest('POST', '/v1/chat/completions', rebound, JSON.stringify(chat())));
  expect([said.status, said.body]).toEqual([403, expect.stringContaining('host_not_allowed')]);
  for (const path of ['/metrics', '/stats', '/v1/models', '/admin/status', '/version'])
    expect((await send(gateway.port, rawRequest('GET', path, { host: 'evil.example' }))).status).toBe(403);
  expect((await send(gateway.port, rawRequest('GET', '/livez', { host: 'evil.example' }))).status).toBe(200);
  expect(worker.requests).toEqual([]);

  const open: TestGateway['settings'] = { auth: { allow_anonymous: true } };
  gateway.settings = open;
  expect(gateway.gateway.reload().ok).toBe(true);
  expect((await send(gateway.port, rawRequest('GET', '/v1/models', { host: 'llm.example' }))).status).toBe(200);
});

test('an upload that a page of another site sends without asking never reaches a worker', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const form =
    '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nabc\r\n--x--\r\n';
  const headers = (origin: string) => ({ origin, 'content-type': 'multipart/form-data; boundary=x' });
  const upload = (origin: string) => send(gateway.port, rawRequest('POST', '/v1/audio/transcriptions', headers(origin), form));
  for (const origin of ['https://evil.example', 'null']) {
    const answer = await upload(origin);
    expect([answer.status, answer.body]).toEqual([403, expect.stringMatching(/origin_not_allowed/)]);
  }
  expect(worker.requests).toEqual([]);
  expect((await upload('http://localhost:3000')).status).toBe(200);
  await until(() => worker.requests.length === 1, 'the upload of a page here');
});
