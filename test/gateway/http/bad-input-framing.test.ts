import { describe, expect, test } from 'vitest';
import { until } from '../../support/gateway.ts';
import { connectRaw, type RawClient } from '../../support/raw-client.ts';
import { answers } from '../../support/fake-vllm.ts';
import { CHAT, expectRefusal, frontDoor, request } from './front-door.ts';

const door = frontDoor();

function chatWith(headers: string, body: string): string {
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;
}

/** Whether the gateway has closed its socket, and not merely its half, shows only in the reset that it sends to whoever goes on talking. */
async function expectLetGo(client: RawClient): Promise<void> {
  await client.ended;
  let closed = false;
  void client.closed.then(() => {
    closed = true;
  });
  await until(() => {
    if (!closed) client.send('x');
    return closed;
  }, 'a reset');
}

async function expectBadFraming(bytes: string | Buffer): Promise<void> {
  const before = door.worker.requests.length;
  using client = await connectRaw(door.port);
  client.send(bytes);
  const answer = await client.answer();
  expectRefusal(answer, 'bad_request_framing');
  expect(answer.headers['connection']).toBe('close');
  // Closed: what was smuggled behind it is not looked at.
  await client.ended;
  expect(client.received).toBe('');
  expect(door.worker.requests).toHaveLength(before);
}

describe('requests whose length is in doubt are refused and their connection is closed', () => {
  const smuggled = 'GET /admin/status HTTP/1.1\r\nHost: localhost\r\n\r\n';
  test.each([
    ['case 1: Content-Length and Transfer-Encoding together', 'Content-Length: 6\r\nTransfer-Encoding: chunked'],
    ['case 1: Transfer-Encoding and Content-Length together', 'Transfer-Encoding: chunked\r\nContent-Length: 6'],
    ['case 2: two lengths', 'Content-Length: 6\r\nContent-Length: 27'],
    ['case 2: two equal lengths', 'Content-Length: 27\r\nContent-Length: 27'],
    ['case 2: two lengths in one header', 'Content-Length: 27, 27'],
    ['case 3: a coding after chunked', 'Transfer-Encoding: chunked, identity'],
    ['case 3: a coding before chunked', 'Transfer-Encoding: gzip, chunked'],
    ['case 3: identity and chunked', 'Transfer-Encoding: identity, chunked'],
    ['case 3: an unknown coding', 'Transfer-Encoding: xchunked'],
    ['case 3: a space before the colon', 'Transfer-Encoding : chunked'],
    ['case 3: a vertical tab before the coding', 'Transfer-Encoding: \x0bchunked'],
    ['case 3: chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked, identity'],
    ['case 4: a negative length', 'Content-Length: -1'],
    ['case 4: a length that is no number', 'Content-Length: 1e3'],
    ['case 4: a length with a sign', 'Content-Length: +27'],
    ['case 4: a length in hexadecimal', 'Content-Length: 0x1b'],
    ['case 4: a length beyond 64 bits', 'Content-Length: 99999999999999999999999'],
  ])('%s', (_name, headers) => expectBadFraming(chatWith(headers, `0\r\n\r\n${smuggled}`)));

  test.each([
    ['a chunk size that is no number', 'zz\r\n{}\r\n0\r\n\r\n'],
    ['a negative chunk size', '-2\r\n{}\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '2\r\n{}{}\r\n0\r\n\r\n'],
    ['a chunk size beyond 64 bits', 'fffffffffffffffff\r\n{}\r\n0\r\n\r\n'],
    ['a chunk size ended by a bare line feed', '2\n{}\r\n0\r\n\r\n'],
  ])('case 3: %s', (_name, body) => expectBadFraming(chatWith('Transfer-Encoding: chunked', body)));

  test('case 3: chunks in HTTP/1.0', async () => {
    const body = `1b\r\n${CHAT}\r\n0\r\n\r\n`;
    for (const more of ['', 'Connection: keep-alive\r\n']) {
      const head = `POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\n${more}Content-Type: application/json\r\n`;
      await expectBadFraming(`${head}Transfer-Encoding: chunked\r\n\r\n${body}`);
    }
  });

  test('case 5: a flood of chunk extensions is too large', async () => {
    const answer = await door.ask(chatWith('Transfer-Encoding: chunked', `1b;${'x'.repeat(20_000)}\r\n${CHAT}\r\n0\r\n\r\n`));
    expectRefusal(answer, 'request_too_large');
  });

  test('a chunked body with an extension, upper-case sizes and a trailer is read, and only its payload goes on', async () => {
    const before = door.worker.requests.length;
    const answer = await door.ask(chatWith('Transfer-Encoding: chunked', `1B;name=x\r\n${CHAT}\r\n0\r\nx-evil: 1\r\n\r\n`));
    expect(answer.status).toBe(200);
    expect(door.worker.requests[before]).toMatchObject({ body: CHAT, headers: { 'content-length': '27' } });
    expect(door.worker.requests[before]!.headers['x-evil']).toBeUndefined();
  });

  test('the body of a refused request is not taken for the next request', async () => {
    using client = await connectRaw(door.port);
    client.send(request({ line: 'POST /nope HTTP/1.1', body: smuggled }));
    client.send(request({ line: 'GET /health HTTP/1.1' }));
    expectRefusal(await client.answer(), 'unknown_url');
    expect(JSON.parse((await client.answer()).body)).toMatchObject({ status: 'ok' });
    expect(client.received).toBe('');
  });
});

describe('heads that are not well formed', () => {
  test.each([
    ['a folded header', 'GET /health HTTP/1.1\r\nHost: localhost\r\nx: a\r\n b\r\n\r\n'],
    ['lines ended by bare line feeds', 'GET /health HTTP/1.1\nHost: localhost\n\n'],
    ['one header ended by a bare line feed', 'GET /health HTTP/1.1\r\nHost: localhost\nx: y\r\n\r\n'],
    ['a bare carriage return in a header', 'GET /health HTTP/1.1\r\nHost: localhost\r\nx: a\rb: c\r\n\r\n'],
    ['a space before a colon', 'GET /health HTTP/1.1\r\nHost : gateway\r\n\r\n'],
    ['a header without a name', 'GET /health HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n'],
    ['a NUL in a header', 'GET /health HTTP/1.1\r\nHost: localhost\r\nx: a\0b\r\n\r\n'],
    ['a NUL in the target', 'GET /hea\0lth HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a tab in the request line', 'GET\t/health\tHTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('case 12: %s', (_name, head) => expectBadFraming(head));

  test.each([
    ['a method that does not exist', 'FETCH /health HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a method in lower case', 'get /health HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS hello', Buffer.from('160301007c010000780303a0b1c2', 'hex')],
    ['an SSH banner', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['HTTP/0.9', 'GET /health\r\n\r\n'],
    ['HTTP/1.2', 'GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n'],
    ['HTTP/2.0 on one line', 'GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n'],
    ['HTTP/3.0 with a chat', `POST /v1/chat/completions HTTP/3.0\r\nHost: localhost\r\nContent-Length: 27\r\n\r\n${CHAT}`],
    ['a proxy protocol header', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a lot of noise', Buffer.alloc(50_000, 0xff)],
  ])('case 14: %s', (_name, bytes) => expectBadFraming(bytes));

  test('case 10: 17 KB of headers', async () => {
    const answer = await door.ask(request({ headers: [`x: ${'x'.repeat(17_000)}`] }));
    expectRefusal(answer, 'headers_too_large');
  });

  test('case 10: 1,500 headers', async () => {
    const answer = await door.ask(request({ headers: Array.from({ length: 1_500 }, () => 'a: b'), body: CHAT }));
    expectRefusal(answer, 'headers_too_large');
  });

  test('case 10: a target of 17 KB', async () => {
    expectRefusal(await door.ask(request({ line: `GET /${'x'.repeat(17_000)} HTTP/1.1` })), 'headers_too_large');
  });

  test('case 10: just under a hundred headers are fine', async () => {
    const headers = Array.from({ length: 96 }, (_, index) => `x-${index}: y`);
    expect((await door.ask(request({ headers, body: CHAT }))).status).toBe(200);
  });

  test('case 17: CONNECT is refused, and its connection is let go of', async () => {
    using client = await connectRaw(door.port);
    client.send('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n');
    const answer = await client.answer();
    expectRefusal(answer, 'method_not_allowed');
    expect(answer.headers['allow']).toBe('GET, HEAD, POST');
    await expectLetGo(client);
  });

  test('case 17: a reset after CONNECT harms nobody', async () => {
    using client = await connectRaw(door.port);
    client.send('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n');
    await client.answer();
    client.send('more');
    client.socket.resetAndDestroy();
    await client.closed;
    // The reset has been seen by the time a later connection is served.
    expect((await door.chat(CHAT)).status).toBe(200);
  });

  test('noise behind a good request closes the connection, though the client would keep it', async () => {
    using client = await connectRaw(door.port);
    client.send(request({ line: 'GET /health HTTP/1.1' }));
    expect((await client.answer()).status).toBe(200);
    client.send('\x16\x03\x01 what is this?\r\n\r\n');
    expectRefusal(await client.answer(), 'bad_request_framing');
    // The client's half stays open: the gateway must not wait for it.
    await expectLetGo(client);
  });

  test('what follows a request that closes the connection is not looked at, and does not cost it its answer', async () => {
    const before = door.worker.requests.length;
    const closing = request({ body: CHAT, headers: ['Connection: close'] });
    for (const rest of ['\r\n', 'noise\r\n\r\n', closing]) {
      using client = await connectRaw(door.port);
      client.send(Buffer.concat([closing, Buffer.from(rest)]));
      expect((await client.answer()).status).toBe(200);
      await client.ended;
      expect(client.received).toBe('');
    }
    expect(door.worker.requests).toHaveLength(before + 3);
  });

  test('noise behind a request that is still being served gets no answer in its place', async () => {
    const before = door.worker.requests.length;
    door.worker.script = answers.silence();
    using client = await connectRaw(door.port);
    client.send(Buffer.concat([request({ body: CHAT }), Buffer.from('noise\r\n\r\n')]));
    await expectLetGo(client);
    expect(client.received).toBe('');
    await until(() => door.gateway.gateway.figures.inFlight() === 0, 'the call is given up');
    expect(door.worker.requests.slice(before).every((asked) => asked.closed)).toBe(true);
    door.worker.script = answers.completion();
  });
});

test('a body that goes wrong halfway is one refusal: one line, one count, and the id that its client was told', async () => {
  const before = door.gateway.log.length;
  using client = await connectRaw(door.port);
  client.send(chatWith('Transfer-Encoding: chunked\r\n', '5\r\n{"mod\r\n'));
  await until(async () => (await door.chat(CHAT)).status === 200, 'the beginning has been read');
  client.send('zz\r\nxxx');
  const answer = await client.answer();
  expectRefusal(answer, 'bad_request_framing');
  await client.ended;
  const refused = door.gateway.log.slice(before).filter(({ event, outcome }) => event === 'request.end' && outcome === 'refused');
  expect(refused).toMatchObject([
    { request_id: answer.headers['x-request-id'], route: '/v1/chat/completions', code: 'bad_request_framing' },
  ]);
});
