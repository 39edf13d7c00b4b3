import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { errorOf } from './asking.ts';

interface Front {
  readonly name: string;
  readonly version: string;
  readonly paths: Readonly<Record<string, string>>;
}

test('the address itself says what answers there and where to go, and every path it names is there', async () => {
  await using worker = await startFakeVllm();
  const admin = await freePort();
  await using gateway = await startTestGateway([worker.url], { admin: { port: admin } });
  await gateway.gateway.firstReady;
  for (const [base, own, other] of [
    [gateway.url, '/v1/models', '/admin/status'],
    [`http://127.0.0.1:${admin}`, '/admin/status', '/v1/models'],
  ] as const) {
    const response = await fetch(base);
    expect(response.status).toBe(200);
    const front = (await response.json()) as Front;
    expect(front.name).toBe('headgate');
    expect(Object.keys(front.paths)).toContain(own);
    expect(Object.keys(front.paths)).not.toContain(other);
    for (const path of Object.keys(front.paths)) expect((await fetch(base + path, { headers: AS_ADMIN })).status).toBe(200);
  }
  const browser = await fetch(gateway.url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  expect(browser.headers.get('content-type')).toContain('text/html');
  expect(browser.headers.get('content-security-policy')).toBe("default-src 'none'");
  expect(await browser.text()).toContain('<a href="/v1/models">');
  const head = await fetch(gateway.url, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(Number(head.headers.get('content-length'))).toBeGreaterThan(100);
  const posted = await fetch(gateway.url, { method: 'POST' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test("a refusal on a path of the gateway's own is booked under that path, with the code that was answered", async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  gateway.settings = { retry: { max_attempts: -1 } };
  const before = gateway.log.length;
  const refused = await fetch(`${gateway.url}/admin/reload`, { method: 'POST', headers: AS_ADMIN });
  const { code } = await errorOf(refused);
  await fetch(`${gateway.url}/admin/workers/a/b/drain`, { method: 'POST', headers: AS_ADMIN });
  await fetch(`${gateway.url}/v1/models/nobody/has`);
  await fetch(`${gateway.url}/admin/config`);
  await fetch(`${gateway.url}/v1/nothing`);
  const lines = gateway.log.slice(before).filter(({ event }) => event === 'request.end');
  expect(code).toBe('invalid_settings');
  expect(lines.map((line) => [line['route'], line['status'], line['code']])).toEqual([
    ['/admin/reload', 400, 'invalid_settings'],
    ['/admin/workers/:id/:verb', 404, 'not_found'],
    ['/v1/models/:id', 404, 'model_not_found'],
    ['/admin/config', 401, 'invalid_api_key'],
    ['unknown', 404, 'unknown_url'],
  ]);
});
