import { afterEach, describe, expect, test } from 'vitest';
import { answers } from '../../support/fake-vllm.ts';
import { connectRaw } from '../../support/raw-client.ts';
import { CHAT, expectRefusal, frontDoor, request } from './front-door.ts';

const door = frontDoor();
afterEach(() => {
  door.worker.script = answers.completion();
});

/** What the worker was sent for a chat with these headers. */
async function forwarded(headers: readonly string[]): Promise<Record<string, unknown>> {
  const before = door.worker.requests.length;
  const answer = await door.ask(request({ headers, body: CHAT }));
  expect(answer.status).toBe(200);
  expect(door.worker.requests).toHaveLength(before + 1);
  return door.worker.requests[before]!.headers;
}

const ALWAYS = ['host', 'connection', 'content-type', 'content-length', 'accept-encoding', 'x-request-id'];

describe('what goes on to the worker', () => {
  test('case 11: __proto__ and constructor as header names are ignored and pollute nothing', async () => {
    const sent = await forwarded(['__proto__: x', 'constructor: y', 'toString: z', 'hasOwnProperty: q']);
    expect(Object.keys(sent).toSorted()).toEqual(ALWAYS.toSorted());
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('only headers of the list go on, whatever the client sends', async () => {
    const sent = await forwarded([
      'Authorization: Bearer client-key',
      'X-Api-Key: client-key',
      'Cookie: a=b',
      'X-Forwarded-For: 1.2.3.4',
      'Forwarded: for=1.2.3.4',
      'Accept-Encoding: gzip',
      'TE: trailers',
      'Trailer: x',
      'Proxy-Authorization: Basic x',
      'Proxy-Connection: keep-alive',
      'Keep-Alive: timeout=1',
      'X-Session-Id: s1',
      'X-Headgate-Priority: batch',
      'User-Agent: curl',
      'X-Custom: 1',
      'Content-Language: en',
      'X-HTTP-Method-Override: DELETE',
    ]);
    expect(Object.keys(sent).toSorted()).toEqual(ALWAYS.toSorted());
    expect(sent['connection']).toBe('keep-alive');
    expect(sent['accept-encoding']).toBe('identity');
    expect(JSON.stringify(sent)).not.toContain('client-key');
  });

  test('case 16: Upgrade, and headers that Connection names, are stripped and the request is served', async () => {
    for (const protocol of ['websocket', 'h2c', 'TLS/1.0']) {
      const sent = await forwarded([
        'Connection: Upgrade, X-Foo, HTTP2-Settings',
        `Upgrade: ${protocol}`,
        'X-Foo: 1',
        'HTTP2-Settings: AAA',
      ]);
      expect(Object.keys(sent).toSorted()).toEqual(ALWAYS.toSorted());
    }
    expect((await door.ask(request({ line: 'GET /health HTTP/1.1', headers: ['Connection: Upgrade', 'Upgrade: websocket'] }))).status).toBe(
      200,
    );
  });

  test('case 13: header values beyond ASCII are dropped, never passed on and never an error', async () => {
    const sent = await forwarded([
      'Accept: \xe9',
      'Tracestate: \xff\xfe',
      'X-Session-Id: \xe9',
      'X-Custom: \xf0\x9f\x98\x80',
      'User-Agent: \xe9',
    ]);
    expect(Object.keys(sent).toSorted()).toEqual(ALWAYS.toSorted());
  });

  test('an accept header that is sound goes on; one that is too long does not', async () => {
    expect((await forwarded(['Accept: text/event-stream, */*;q=0.1']))['accept']).toBe('text/event-stream, */*;q=0.1');
    expect((await forwarded([`Accept: ${'a'.repeat(300)}`]))['accept']).toBeUndefined();
  });

  test('the content type goes on as plain JSON, without what the client added', async () => {
    const before = door.worker.requests.length;
    await door.ask(request({ body: CHAT, contentType: 'application/vnd.x+json ; charset="UTF-8"; x=y' }));
    expect(door.worker.requests[before]!.headers['content-type']).toBe('application/json');
  });
});

describe('trace context', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parent = `00-${trace}-00f067aa0ba902b7`;

  test.each([
    ['rubbish', 'x'],
    ['no trace', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
    ['no span', `00-${trace}-${'0'.repeat(16)}-01`],
    ['a version that is forbidden', `ff-${trace}-00f067aa0ba902b7-01`],
    ['upper case', `${parent.toUpperCase()}-01`],
    ['two of them', `${parent}-01, ${parent}-01`],
    ['ten kilobytes', 'x'.repeat(10_000)],
  ])('case 51: a traceparent with %s is ignored, and its tracestate with it', async (_name, value) => {
    const sent = await forwarded([`traceparent: ${value}`, 'tracestate: a=b']);
    expect(sent['traceparent']).toBeUndefined();
    expect(sent['tracestate']).toBeUndefined();
  });

  test("case 51: a stranger's sampling decision is not followed", async () => {
    const sent = await forwarded([`traceparent: ${parent}-01`, 'tracestate: a=b']);
    expect(sent['traceparent']).toBe(`${parent}-00`);
    expect(sent['tracestate']).toBe('a=b');
  });

  test('case 51: a tracestate of ten kilobytes is dropped, its traceparent kept', async () => {
    const sent = await forwarded([`traceparent: ${parent}-00`, `tracestate: ${'a'.repeat(10_000)}`]);
    expect(sent['traceparent']).toBe(`${parent}-00`);
    expect(sent['tracestate']).toBeUndefined();
  });
});

describe('Expect', () => {
  test.each(['tea', '200-ok', ' '])('case 15: %j is not understood', async (expectation) => {
    expectRefusal(await door.ask(request({ headers: [`Expect: ${expectation}`], body: CHAT })), 'expectation_failed');
  });

  test('case 15: 100-continue is answered when the body is wanted', async () => {
    using client = await connectRaw(door.port);
    const bytes = request({ headers: ['Expect: 100-continue'], body: CHAT });
    client.send(bytes.subarray(0, bytes.length - CHAT.length));
    expect((await client.answer()).status).toBe(100);
    client.send(CHAT);
    expect((await client.answer()).status).toBe(200);
    client.send(request({ line: 'GET /health HTTP/1.1' }));
    expect((await client.answer()).status).toBe(200);
  });

  test.each([
    ['request_too_large', 'POST /v1/chat/completions HTTP/1.1', 'application/json', 'Content-Length: 99999999'],
    ['unsupported_media_type', 'POST /v1/chat/completions HTTP/1.1', 'text/plain', 'Content-Length: 27'],
    ['unsupported_encoding', 'POST /v1/chat/completions HTTP/1.1', 'application/json', 'Content-Length: 27\r\nContent-Encoding: gzip'],
    ['unknown_url', 'POST /nope HTTP/1.1', 'application/json', 'Content-Length: 27'],
    ['unknown_url', 'POST //nope HTTP/1.1', 'application/json', 'Content-Length: 27'],
    ['method_not_allowed', 'PUT /v1/chat/completions HTTP/1.1', 'application/json', 'Content-Length: 27'],
    ['invalid_host', 'POST /v1/chat/completions HTTP/1.1', 'application/json', 'Host: x\r\nContent-Length: 27'],
  ] as const)('case 15: no body is asked for when the answer is %s already', async (kind, line, type, more) => {
    using client = await connectRaw(door.port);
    client.send(`${line}\r\nHost: localhost\r\nContent-Type: ${type}\r\n${more}\r\nExpect: 100-continue\r\n\r\n`);
    expectRefusal(await client.answer(), kind);
    // The client may or may not send its body now: only a closed connection leaves no doubt.
    await client.ended;
  });

  test('HTTP/1.0 gets no interim answer', async () => {
    using client = await connectRaw(door.port);
    client.send(request({ line: 'POST /v1/chat/completions HTTP/1.0', headers: ['Expect: 100-continue'], body: CHAT }));
    expect((await client.answer()).status).toBe(200);
  });
});

describe('types and encodings', () => {
  test.each(['gzip', 'zstd', 'br', 'deflate', 'identity, gzip', 'x-unknown', 'gzip, identity'])(
    'case 29: a body in %s is not accepted, and never inflated',
    async (encoding) => {
      expectRefusal(await door.ask(request({ headers: [`Content-Encoding: ${encoding}`], body: CHAT })), 'unsupported_encoding');
    },
  );

  test('identity is no encoding', async () => {
    expect((await door.ask(request({ headers: ['Content-Encoding: Identity'], body: CHAT }))).status).toBe(200);
  });

  test.each([
    null,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'text/application/json',
    'application/json; charset=utf-16',
    'application/json; charset="latin1"',
    'application/octet-stream',
    '',
  ])('case 30: the content type %j is not accepted', async (contentType) => {
    expectRefusal(await door.ask(request({ contentType, body: CHAT })), 'unsupported_media_type');
  });

  test.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
    'application/problem+json',
  ])('the content type %j is fine', async (contentType) => {
    expect((await door.ask(request({ contentType, body: CHAT }))).status).toBe(200);
  });

  test.each(['application/json', 'multipart/form-data', 'multipart/mixed; boundary=x', 'multipart/form-data; boundary=\xe9', null])(
    'case 49: an upload of content type %j is not accepted',
    async (contentType) => {
      const answer = await door.ask(request({ line: 'POST /v1/audio/transcriptions HTTP/1.1', contentType, body: '--x--\r\n' }));
      expectRefusal(answer, 'unsupported_media_type');
    },
  );
});

test('every answer of a kept connection is complete and by itself', async () => {
  using client = await connectRaw(door.port);
  const cases = [
    [request({ body: CHAT }), 200],
    [request({ body: '{' }), 400],
    [request({ line: 'PUT /v1/models HTTP/1.1', body: 'x'.repeat(100_000) }), 405],
    [request({ body: 'x'.repeat(100_000), contentType: 'text/plain' }), 415],
    [request({ line: 'GET /metrics HTTP/1.1' }), 200],
    [request({ line: 'POST /v1/audio/transcriptions HTTP/1.1', body: '--x--\r\n', contentType: 'multipart/form-data; boundary=y' }), 400],
    [request({ line: 'GET /v1/models/none HTTP/1.1' }), 404],
    [request({ body: CHAT }), 200],
  ] as const;
  for (const [bytes, status] of cases) {
    client.send(bytes);
    expect((await client.answer()).status).toBe(status);
    expect(client.received).toBe('');
  }
});
