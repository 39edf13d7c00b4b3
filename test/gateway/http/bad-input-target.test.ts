import { describe, expect, test } from 'vitest';
import { expectRefusal, frontDoor, request } from './front-door.ts';

const door = frontDoor();

describe('hosts', () => {
  test('case 6: no Host is refused', async () => {
    expectRefusal(await door.ask('GET /health HTTP/1.1\r\n\r\n'), 'invalid_host');
  });

  test('case 6: HTTP/1.0 may do without a Host', async () => {
    expect((await door.ask('GET /health HTTP/1.0\r\n\r\n')).status).toBe(200);
  });

  test.each([
    ['two Hosts', 'Host: a\r\nHost: b'],
    ['two equal Hosts', 'Host: a\r\nHost: a'],
    ['two Hosts in different spelling', 'Host: a\r\nhOsT: b'],
    ['two names in one Host', 'Host: a, b'],
  ])('case 7: %s are refused', async (_name, hosts) => {
    expectRefusal(await door.ask(`GET /health HTTP/1.1\r\n${hosts}\r\n\r\n`), 'invalid_host');
    expectRefusal(await door.ask(`GET /health HTTP/1.0\r\n${hosts}\r\n\r\n`), 'invalid_host');
  });

  test.each([
    'x/#@evil',
    'x@evil',
    'x?y',
    'x\\y',
    'x y',
    '',
    'a:b',
    'a:99999',
    'a:-1',
    '1.2.3.256:80',
    '0x7f.1:80',
    '[::1',
    '::1',
    '[0:0:0:0:0:0:0:1]',
    '[::1]x',
    'é',
    'a%2fb',
    '<script>',
  ])('case 8: the Host %j is refused', async (host) => {
    expectRefusal(await door.ask(Buffer.from(`GET /health HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1')), 'invalid_host');
  });

  test.each([
    'localhost',
    'localhost:8080',
    'LocalHost:80',
    '127.0.0.1:8080',
    '[::1]',
    '[::1]:8080',
    'my_service.ns.svc.cluster.local:65535',
    'xn--bcher-kva.example',
  ])('the Host %j is fine', async (host) => {
    expect((await door.ask(`GET /health HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status).toBe(200);
  });
});

describe('targets', () => {
  test.each(['http:/gateway/health', 'ftp://gateway/health', 'file:///etc/passwd', '*', 'health', 'gateway:80'])(
    'case 9: the target %j is in no form that is served',
    async (target) => {
      const method = target === '*' ? 'OPTIONS' : 'GET';
      const answer = await door.ask(request({ line: `${method} ${target} HTTP/1.1` }));
      // What does not even begin like a target is refused by the parser.
      expectRefusal(answer, answer.body.includes('bad_request_framing') ? 'bad_request_framing' : 'invalid_target');
    },
  );

  test.each([
    '//admin/status',
    '/v1//m',
    '/%61dmin/status',
    '/admin%2fstatus',
    '/v1/../admin/status',
    '/v1/./models',
    '/v1/models/../../admin/status',
    '/..',
    '/admin/status/',
    '/healthy/',
    '/health;x=y',
    '/HEALTH',
    '/v1\\models',
    '/v1/models/%E0%A4%A',
    '/v1/models/%',
    '/v1/models/%zz',
    '/health%00',
    '/health%0d%0aset-cookie:x',
    '/<script>alert(1)</script>',
    '/v1/files/..%2f..%2fetc%2fpasswd/content',
    '/\u00e9',
  ])('cases 47 and 48: %j is looked up as it is written, and not found', async (path) => {
    const answer = await door.ask(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 'latin1'));
    expectRefusal(answer, answer.body.includes('bad_request_framing') ? 'bad_request_framing' : 'unknown_url');
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.body).not.toContain('<script>');
  });

  test.each(['%E0%A4', '..%2f..%2fetc%2fpasswd', 'a/b/c', '%00', '%0d%0aset-cookie:x', 'x'.repeat(10_000), '__proto__', 'constructor'])(
    'cases 42 and 48: there is no model %j',
    async (id) => {
      const answer = await door.ask(request({ line: `GET /v1/models/${id} HTTP/1.1` }));
      expectRefusal(answer, 'model_not_found', 'model');
      expect(answer.headers['set-cookie']).toBeUndefined();
    },
  );

  test('what a worker serves besides the API cannot be reached through the gateway', async () => {
    const paths = ['/sleep', '/wake_up', '/collective_rpc', '/invocations', '/pause', '/resume', '/load', '/server_info', '/ping', '/docs'];
    for (const path of [...paths, '/reset_prefix_cache', '/v1/load_lora_adapter', '/abort_requests', '/update_weights']) {
      const before = door.worker.requests.length;
      expectRefusal(await door.ask(request({ line: `POST ${path} HTTP/1.1`, body: '{}' })), 'unknown_url');
      expect(door.worker.requests).toHaveLength(before);
    }
  });

  test('a query changes nothing of where a request goes, and does not go on', async () => {
    const before = door.worker.requests.length;
    const line = 'POST /v1/chat/completions?api-version=1&x=/../admin\\?#frag HTTP/1.1';
    expect((await door.ask(request({ line, body: '{"model":"m"}' }))).status).toBe(200);
    expect(door.worker.requests[before]!.path).toBe('/v1/chat/completions');
  });
});

describe('methods', () => {
  test.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['PUT', '/v1/chat/completions', 'POST'],
    ['TRACE', '/v1/chat/completions', 'POST'],
    ['PROPFIND', '/v1/chat/completions', 'POST'],
    ['QUERY', '/v1/embeddings', 'POST'],
    ['OPTIONS', '/v1/completions', 'POST'],
    ['POST', '/v1/models', 'GET, HEAD'],
    ['DELETE', '/v1/models/m', 'GET, HEAD'],
    ['TRACE', '/health', 'GET, HEAD'],
    ['POST', '/metrics', 'GET, HEAD'],
    ['GET', '/admin/reload', 'POST'],
  ])('case 14: %s %s names the methods there are', async (method, path, allow) => {
    const answer = await door.ask(request({ line: `${method} ${path} HTTP/1.1`, contentType: null }));
    expectRefusal(answer, 'method_not_allowed');
    expect(answer.headers['allow']).toBe(allow);
  });

  test('a wrong method on the Anthropic route is told in its shape', async () => {
    const answer = await door.ask(request({ line: 'GET /v1/messages HTTP/1.1' }));
    expect(answer.status).toBe(405);
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'error', error: { type: expect.any(String), message: expect.any(String) } });
  });
});

describe('a request id', () => {
  test.each(['invalid_host', 'unknown_url', 'method_not_allowed', 'expectation_failed', 'request_too_large'] as const)(
    'that the client sent is kept when the request is refused as %s',
    async (kind) => {
      const headers = ['X-Request-Id: mine-1.2_3'];
      const bytes = {
        invalid_host: request({ line: 'GET /health HTTP/1.1', headers: [...headers, 'Host: second'] }),
        unknown_url: request({ line: 'GET //x HTTP/1.1', headers }),
        method_not_allowed: request({ line: 'PUT /health HTTP/1.1', headers }),
        expectation_failed: request({ line: 'GET /health HTTP/1.1', headers: [...headers, 'Expect: tea'] }),
        request_too_large: Buffer.from(
          'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine-1.2_3\r\nContent-Length: 99999999\r\nContent-Type: application/json\r\n\r\n',
        ),
      }[kind];
      const answer = await door.ask(bytes);
      expectRefusal(answer, kind);
      expect(answer.headers['x-request-id']).toBe('mine-1.2_3');
    },
  );

  test.each([
    ['ten thousand characters', 'x'.repeat(10_000)],
    ['a space', 'a b'],
    ['quotes', '"a"'],
    ['a letter beyond ASCII', 'é'],
    ['nothing', ''],
    ['a terminal escape', '\u001b[31m'],
    ['JSON', '{"level":"error"}'],
  ])('case 52: %s is replaced, everywhere', async (_name, id) => {
    for (const line of ['GET /health HTTP/1.1', 'GET /nope HTTP/1.1', 'GET //x HTTP/1.1', 'POST /v1/chat/completions HTTP/1.1']) {
      const bytes = `${line}\r\nHost: localhost\r\nX-Request-Id: ${id}\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"model":"m"}`;
      const answer = await door.ask(Buffer.from(bytes, 'latin1'));
      expect(answer.headers['x-request-id']).toMatch(/^[\w.-]{1,128}$/);
      expect(answer.headers['x-request-id']).not.toBe(id);
    }
  });
});

test('refusals before any route are counted and logged once, with no text of the client but its method and path', async () => {
  const { log } = door.gateway;
  const before = log.length;
  await door.ask(request({ line: 'GET /somewhere//else?key=plover-xyzzy-9431 HTTP/1.1', headers: ['X-Request-Id: early-refusal'] }));
  await door.ask('plover-xyzzy-9431\r\n\r\n');
  const lines = log.slice(before).filter(({ event }) => event === 'request.end');
  expect(lines).toMatchObject([
    { request_id: 'early-refusal', method: 'GET', route: 'unknown', path: '/somewhere//else', status: 404, code: 'unknown_url' },
    { route: 'unknown', status: 400, code: 'bad_request_framing' },
  ]);
});
