import { afterAll, beforeAll, expect, test } from 'vitest';
import { RELAYED_ROUTES } from '../../../gateway/http/routes.ts';
import { ADMIN_KEY } from '../../support/admin.ts';
import { startFakeVllm, type FakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { ask } from '../../support/raw-client.ts';
import { CHAT, expectRefusal, request } from './front-door.ts';

// Operators with a listener of their own.

let worker: FakeVllm;
let gateway: TestGateway;
let adminPort: number;

beforeAll(async () => {
  worker = await startFakeVllm();
  gateway = await startTestGateway([worker.url], { admin: { port: 0 } });
  await gateway.gateway.firstReady;
  const line = gateway.log.map(({ msg }) => String(msg)).find((msg) => msg.startsWith('admin on '))!;
  adminPort = Number(new URL(line.slice('admin on '.length)).port);
});
afterAll(async () => {
  await gateway?.stop();
  await worker?.die();
});

test.each(RELAYED_ROUTES.map(({ path }) => path))('POST %s is not known to the listener for operators', async (path) => {
  const answer = await ask(adminPort, request({ line: `POST ${path} HTTP/1.1`, body: CHAT }));
  expect(answer.status).toBe(404);
  expect(answer.body).toContain('Unknown request URL');
  expect(worker.requests).toEqual([]);
});

test('only the listener for operators answers to them, and both to machines', async () => {
  const headers = ['Connection: close', `X-Api-Key: ${ADMIN_KEY}`];
  const get = (path: string) => request({ line: `GET ${path} HTTP/1.1`, headers, contentType: null });
  expect((await ask(adminPort, get('/admin/status'))).status).toBe(200);
  expectRefusal(await ask(gateway.port, get('/admin/status')), 'unknown_url');
  expectRefusal(await ask(adminPort, get('/v1/models')), 'unknown_url');
  for (const port of [adminPort, gateway.port]) expect((await ask(port, get('/livez'))).status).toBe(200);
});

test('a query or another method makes no difference to where a relayed path leads', async () => {
  expect((await ask(gateway.port, request({ line: 'POST /v1/chat/completions?a=/b HTTP/1.1', body: CHAT }))).status).toBe(200);
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const answer = await ask(gateway.port, request({ line: `${method} /v1/chat/completions HTTP/1.1` }));
    expectRefusal(answer, 'method_not_allowed');
    expect(answer.headers['allow']).toBe('POST');
  }
  for (const path of ['/V1/chat/completions', '/v1/chat%2fcompletions', '/x/v1/chat/completions'])
    expectRefusal(await ask(gateway.port, request({ line: `POST ${path} HTTP/1.1`, body: CHAT })), 'unknown_url');
});
