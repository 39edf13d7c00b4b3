import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { Guesses } from '../../../../gateway/http/guesses.ts';
import { Door } from '../../../../gateway/keys/door.ts';
import { KeyRing } from '../../../../gateway/keys/key-ring.ts';
import { checkAdmin } from '../../../../gateway/http/pages/admin.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { expectRefusal, frontDoor, request } from '../front-door.ts';

const KEY = 'the-admin-key-of-this-file';

/** What comes of a request with these headers from this address: "in", or the kind of the refusal. */
async function access(headers: Record<string, string>, key: string | null, remoteAddress = '127.0.0.1'): Promise<string> {
  const clock = createFakeClock();
  const socket = Object.assign(new EventEmitter(), { remoteAddress });
  const incoming = { headers: { host: 'localhost:8080', ...headers }, socket } as unknown as IncomingMessage;
  const outcome = checkAdmin(
    incoming,
    key,
    new Guesses(clock),
    new Door(clock, new KeyRing([]), { asks: false, admitsAnyone: false, strangers: null }),
  ).then(
    () => 'in',
    (error: unknown) => {
      if (!(error instanceof GatewayError)) throw error;
      expect(error.message).not.toContain(KEY);
      return error.kind;
    },
  );
  await clock.advance(60_000);
  expect(clock.pending).toBe(0);
  return outcome;
}

describe('the admin key', () => {
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
  ])('case 45: %j', async (headers, outcome) => {
    expect(await access(headers, KEY)).toBe(outcome);
  });

  test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '203.0.113.9', ''])(
    'is asked for from %j, and enough',
    async (address) => {
      expect(await access({}, KEY, address)).toBe('invalid_api_key');
      expect(await access({ authorization: `Bearer ${KEY}`, 'x-forwarded-for': '1.2.3.4' }, KEY, address)).toBe('in');
    },
  );

  test.each([{}, { authorization: 'Bearer x' }, { authorization: 'Bearer null' }, { 'x-api-key': '' }])(
    'that could not be made opens nothing: %j',
    async (headers) => {
      expect(await access(headers, null)).toBe('admin_only');
    },
  );
});

describe('a page of another site', () => {
  const key = { authorization: `Bearer ${KEY}` };

  test.each<[Record<string, string>]>([
    [{ origin: 'http://localhost:3000' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ referer: 'http://evil.example/' }],
    [{ referer: 'nonsense' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site', origin: 'http://localhost:8080' }],
  ])('is not let in, even with the key: %j', async (headers) => {
    expect(await access({ ...key, ...headers }, KEY)).toBe('admin_only');
    expect(await access(headers, KEY)).toBe('admin_only');
  });

  test.each<[Record<string, string>]>([
    [{ origin: 'http://localhost:8080' }],
    [{ origin: 'http://localhost:8080', referer: 'http://localhost:8080/console' }],
    [{ origin: 'https://gpu.example', 'x-forwarded-host': 'gpu.example' }],
    [{ origin: 'http://gpu.example', host: 'gpu.example:80' }],
    [{ origin: 'https://gpu.example', 'sec-fetch-site': 'same-origin' }],
    [{ 'sec-fetch-site': 'none' }],
  ])('is not this: %j', async (headers) => {
    expect(await access({ ...key, ...headers }, KEY)).toBe('in');
    expect(await access(headers, KEY)).toBe('invalid_api_key');
  });
});

describe('through the front door', () => {
  const door = frontDoor({ admin: { key: KEY } });
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

  // At the same time, since a wrong key is answered slowly.
  test.concurrent.each(PATHS)('%s asks for access', async (line) => {
    const host = 'Host: localhost';
    const key = `X-Api-Key: ${KEY}`;
    expectRefusal(await ask(door, line, [host]), 'invalid_api_key');
    expectRefusal(await ask(door, line, [host, 'Authorization: Bearer wrong']), 'invalid_api_key');
    expectRefusal(await ask(door, line, [host, key, 'Origin: https://evil.example']), 'admin_only');
    expectRefusal(await ask(door, line, ['Host: evil.example', key]), 'host_not_allowed');
  });

  test.each(PATHS)('%s is not refused to those who have it', async (line) => {
    const answer = await ask(door, line, ['Host: localhost', `X-Api-Key: ${KEY}`, 'X-Forwarded-For: 203.0.113.9']);
    expect([401, 403]).not.toContain(answer.status);
    expect(answer.body).not.toContain(KEY);
  });

  test('a doubled slash, an escape or another case leads nowhere', async () => {
    for (const path of ['//admin/status', '/admin//status', '/%61dmin/status', '/Admin/status', '/admin/status/', '/./admin/status']) {
      const answer = await door.ask(request({ line: `GET ${path} HTTP/1.1` }));
      expectRefusal(answer, 'unknown_url');
    }
  });

  test('there is no worker and no model of a hostile name, and the name comes back tame', async () => {
    for (const name of ['x%0d%0aset-cookie:%20a=b', '..', 'a'.repeat(5_000), '<script>']) {
      const answer = await ask(door, `POST /admin/workers/${name}/restart`, ['Host: localhost', `X-Api-Key: ${KEY}`]);
      expect(answer.status).toBe(404);
      expect(answer.headers['set-cookie']).toBeUndefined();
      expect(answer.body.length).toBeLessThan(500);
    }
  });
});
