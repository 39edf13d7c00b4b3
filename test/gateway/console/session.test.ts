import { expect, test } from 'vitest';
import { AS_ADMIN } from '../../support/admin.ts';
import { startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';

const OPERATOR = 'hg-the-key-of-an-operator';

/** What a browser would send along from then on. */
async function signIn(gateway: TestGateway, key: string): Promise<string> {
  const answer = await fetch(`${gateway.url}/console/session`, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
  expect(answer.status).toBe(204);
  const cookie = answer.headers.get('set-cookie')!;
  expect(cookie).toMatch(/^headgate_console_\d+=[\w.-]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800$/);
  expect(cookie).not.toContain(key);
  return cookie.split(';', 1)[0]!;
}

const asked = async (gateway: TestGateway, path: string, headers: Record<string, string>, method = 'GET') => {
  const { status } = await fetch(gateway.url + path, { method, headers });
  return status;
};

test('whoever has signed in reads without the key, and writes from pages of our own alone', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  const cookie = await signIn(gateway, 'the-key-of-test-gateways');
  expect(await asked(gateway, '/admin/status', { cookie: `other=1; ${cookie}` })).toBe(200);
  expect(await asked(gateway, '/admin/status', {})).toBe(401);
  const reload = (headers: Record<string, string>) => asked(gateway, '/admin/reload', { cookie, ...headers }, 'POST');
  expect(await reload({})).toBe(401);
  expect(await reload({ origin: gateway.url })).toBe(202);
  expect(await reload({ origin: gateway.url, 'sec-fetch-site': 'same-origin' })).toBe(202);
  expect(await reload({ origin: gateway.url, 'sec-fetch-site': 'same-site' })).toBe(403);
  expect(await reload({ origin: 'http://evil.example' })).toBe(403);
  expect(await reload({ 'sec-fetch-site': 'none' })).toBe(401);
  const ended = await fetch(`${gateway.url}/console/session`, { method: 'DELETE', headers: { cookie, origin: gateway.url } });
  expect([ended.status, ended.headers.get('set-cookie')]).toEqual([204, expect.stringContaining('Max-Age=0')]);
});

test('a session is over with the key that began it, and nobody makes one up', async () => {
  await using worker = await startFakeVllm();
  const keys = [{ name: 'ops', key: OPERATOR, admin: true }];
  await using gateway = await startTestGateway([worker.url], { auth: { keys } });
  const [ofAdmin, ofOperator] = [await signIn(gateway, 'the-key-of-test-gateways'), await signIn(gateway, OPERATOR)];
  expect(await asked(gateway, '/admin/status', { cookie: ofOperator })).toBe(200);
  const [name, token = ''] = ofAdmin.split('=');
  const [, until, signature] = token.split('.');
  const later = (Number.parseInt(until!, 36) + 1000).toString(36);
  for (const made of [`.${later}.${signature}`, `b3Bz.${until}.${signature}`, `.${until}.${'A'.repeat(43)}`, '', 'a.b.c']) {
    expect(await asked(gateway, '/admin/status', { cookie: `${name}=${made}` })).toBe(401);
  }
  gateway.settings = { auth: { keys: [{ name: 'ops', key: 'hg-another-key-of-the-operator', admin: true }] } };
  await fetch(`${gateway.url}/admin/reload`, { method: 'POST', headers: AS_ADMIN });
  expect(await asked(gateway, '/admin/status', { cookie: ofOperator })).toBe(401);
  expect(await asked(gateway, '/admin/status', { cookie: ofAdmin })).toBe(200);
});

test('a page under a name that was led here is not answered, on a listener that only this machine reaches', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  const { request } = await import('node:http');
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`${gateway.url}/console`, { headers: { host: 'evil.example' } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(403);
});
