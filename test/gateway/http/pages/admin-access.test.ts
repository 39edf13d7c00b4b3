import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { checkAdmin } from '../../../../gateway/http/pages/admin.ts';
import { expectRefusal, frontDoor, request } from '../front-door.ts';

const KEY = 'the-admin-key';

/** What comes of a request with these headers from this address: "in", or the kind of the refusal. */
function access(headers: Record<string, string>, key: string | null, remoteAddress: string | undefined = '127.0.0.1'): string {
  try {
    checkAdmin({ headers: { host: 'localhost:8080', ...headers }, socket: { remoteAddress } } as unknown as IncomingMessage, key);
    return 'in';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    expect(error.message).not.toContain(KEY);
    return error.kind;
  }
}

describe('with a key', () => {
  test.each<[Record<string, string>, string]>([
    [{ authorization: `Bearer ${KEY}` }, 'in'],
    [{ authorization: `bearer   ${KEY}` }, 'in'],
    [{ 'x-api-key': KEY }, 'in'],
    [{ authorization: `Bearer ${KEY}`, 'x-api-key': KEY }, 'in'],
    [{}, 'invalid_api_key'],
    [{ authorization: '' }, 'invalid_api_key'],
    [{ authorization: 'Bearer' }, 'invalid_api_key'],
    [{ authorization: 'Bearer ' }, 'invalid_api_key'],
    [{ authorization: KEY }, 'invalid_api_key'],
    [{ authorization: `Basic ${KEY}` }, 'invalid_api_key'],
    [{ authorization: `Bearer ${KEY}x` }, 'invalid_api_key'],
    [{ authorization: `Bearer ${KEY.slice(0, -1)}` }, 'invalid_api_key'],
    [{ authorization: `Bearer ${KEY.toUpperCase()}` }, 'invalid_api_key'],
    [{ authorization: `Bearer ${KEY} ${KEY}` }, 'invalid_api_key'],
    [{ authorization: `Bearer ${'x'.repeat(8_192)}` }, 'invalid_api_key'],
    [{ 'x-api-key': '' }, 'invalid_api_key'],
    [{ 'x-api-key': `${KEY}, ${KEY}` }, 'invalid_api_key'],
    [{ authorization: `Bearer ${KEY}`, 'x-api-key': 'other' }, 'conflicting_credentials'],
    [{ authorization: 'Bearer other', 'x-api-key': KEY }, 'conflicting_credentials'],
  ])('case 45: %j', (headers, outcome) => {
    expect(access(headers, KEY)).toBe(outcome);
  });

  test('the place does not matter', () => {
    expect(access({ authorization: `Bearer ${KEY}`, 'x-forwarded-for': '1.2.3.4', host: 'example.com' }, KEY, '203.0.113.9')).toBe('in');
    expect(access({}, KEY, '127.0.0.1')).toBe('invalid_api_key');
  });
});

describe('without a key', () => {
  test.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])('%s is this machine', (address) => {
    expect(access({}, null, address)).toBe('in');
  });

  test.each(['10.0.0.1', '192.168.1.1', '::ffff:10.0.0.1', 'fe80::1', '1127.0.0.1', '127.0.0.1.evil', undefined])(
    '%s is not',
    (address) => {
      expect(access({ host: 'localhost' }, null, address ?? '')).toBe('admin_only');
    },
  );

  test.each(['localhost', 'LOCALHOST:8080', '127.0.0.1', '127.0.0.1:9000', '[::1]', '[::1]:8080'])('the host %s is its name', (host) => {
    expect(access({ host }, null)).toBe('in');
  });

  // A page that rebinds its own name to this machine sends that name.
  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil.example:8080', '0.0.0.0', 'unnamed.invalid', ''])(
    'the host %j is not',
    (host) => {
      expect(access({ host }, null)).toBe('admin_only');
    },
  );

  test.each([
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-host', 'localhost'],
    ['x-forwarded-proto', 'http'],
    ['x-real-ip', '127.0.0.1'],
    ['forwarded', 'for=127.0.0.1'],
    ['via', '1.1 proxy'],
    ['origin', 'http://localhost:8080'],
    ['origin', 'null'],
    ['referer', 'http://evil.example/'],
    ['sec-fetch-site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
  ])('a proxy or a page in between is refused: %s: %s', (name, value) => {
    expect(access({ [name]: value }, null)).toBe('admin_only');
  });

  test('a user who types the address is not', () => {
    expect(access({ 'sec-fetch-site': 'none' }, null)).toBe('in');
  });

  test('a key that is given all the same opens nothing', () => {
    expect(access({ authorization: 'Bearer x' }, null, '10.0.0.1')).toBe('admin_only');
  });
});

describe('through the front door', () => {
  const door = frontDoor();
  const keyed = frontDoor({ admin: { key: KEY } });
  const PATHS = [
    'GET /admin/status',
    'GET /admin/config',
    'GET /admin/debug/bundle',
    'GET /debug/runtime',
    'POST /admin/reload',
    'POST /admin/workers/x/restart',
    'POST /admin/models/a/b/load',
  ];

  function ask(which: typeof door, line: string, headers: string[]) {
    return which.ask(Buffer.from(`${line} HTTP/1.1\r\n${headers.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, 'latin1'));
  }

  test.each(PATHS)('%s asks for access', async (line) => {
    expectRefusal(await ask(door, line, ['Host: evil.example']), 'admin_only');
    expectRefusal(await ask(door, line, ['Host: localhost', 'Origin: https://evil.example']), 'admin_only');
    expectRefusal(await ask(keyed, line, ['Host: localhost']), 'invalid_api_key');
    expectRefusal(await ask(keyed, line, ['Host: localhost', 'Authorization: Bearer wrong']), 'invalid_api_key');
  });

  test.each(PATHS)('%s is not refused to those who have it', async (line) => {
    for (const answer of [await ask(door, line, ['Host: localhost']), await ask(keyed, line, ['Host: x', `X-Api-Key: ${KEY}`])]) {
      expect([401, 403]).not.toContain(answer.status);
      expect(answer.body).not.toContain(KEY);
    }
  });

  test('a doubled slash, an escape or another case leads nowhere', async () => {
    for (const path of ['//admin/status', '/admin//status', '/%61dmin/status', '/Admin/status', '/admin/status/', '/./admin/status']) {
      const answer = await door.ask(request({ line: `GET ${path} HTTP/1.1` }));
      expectRefusal(answer, 'unknown_url');
    }
  });

  test('there is no worker and no model of a hostile name, and the name comes back tame', async () => {
    for (const name of ['x%0d%0aset-cookie:%20a=b', '..', 'a'.repeat(5_000), '<script>']) {
      const answer = await ask(door, `POST /admin/workers/${name}/restart`, ['Host: localhost']);
      expect(answer.status).toBe(404);
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(answer.body.length).toBeLessThan(500);
    }
  });
});
