import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpServer } from '../../../gateway/http/server.ts';
import { Refusals } from '../../../gateway/http/refusals.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/gateway.ts';
import { connectRaw } from '../../support/raw-client.ts';
import { seededRandom } from '../../support/seeded-random.ts';

let server: Server;
let clock: FakeClock;
let port: number;
let refusals: unknown[];
let responses: ServerResponse[];

beforeEach(async () => {
  clock = createFakeClock();
  refusals = [];
  responses = [];
  server = createHttpServer({
    headerTimeoutMs: 60_000,
    requestTimeoutMs: 120_000,
    clock,
    newId: () => 'new-id',
    visitors: { greet() {}, check() {} },
    crowd: null,
    onRequest: (_incoming, response) => {
      responses.push(response);
    },
    refusals: new Refusals({
      random: seededRandom(1),
      events: { requestRefused: (refusal) => refusals.push(refusal) },
      onUnexpected: (error) => {
        throw error;
      },
    }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function connections(): Promise<number> {
  return new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
}

const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';

describe('a connection that has had its last answer', () => {
  test.each([
    ['CONNECT', 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n'],
    ['noise', 'noise\r\n\r\n'],
    ['bad framing', 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n'],
  ])('is closed a second later, whatever its client does (%s)', async (_name, bytes) => {
    using client = await connectRaw(port);
    client.send(bytes);
    await client.answer();
    await client.ended;
    // The client neither closes its side nor says more.
    await clock.advance(999);
    expect(await connections()).toBe(1);
    await clock.advance(1);
    await until(async () => (await connections()) === 0, 'it is closed');
    expect(clock.pending).toBe(0);
  });

  test('is let go of as soon as its client leaves', async () => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      using client = await connectRaw(port);
      client.send('CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n');
      await client.answer();
      client.socket[leave]();
      await until(async () => (await connections()) === 0, 'it is closed');
      expect(clock.pending).toBe(0);
    }
  });

  test('is not closed earlier for going on to send: the reset might overtake the answer', async () => {
    using client = await connectRaw(port);
    client.send('noise\r\n\r\n');
    await client.answer();
    for (let i = 0; i < 20; i++) {
      client.send(Buffer.alloc(10_000, 'x'));
      // The server reads it in between.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await connections()).toBe(1);
    expect(refusals).toHaveLength(1);
  });
});

describe('what is told of refusals', () => {
  test('each is told once, with what is known of it', async () => {
    using client = await connectRaw(port);
    client.send('PUT /a/../b HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 3\r\n\r\nabc');
    expect((await client.answer()).headers['x-request-id']).toBe('mine');
    client.send('noise\r\n\r\n');
    expect((await client.answer()).headers['x-request-id']).toBe('new-id');
    expect(refusals).toEqual([
      { id: 'mine', route: 'unknown', path: '/a/../b', method: 'PUT', status: 404, code: 'unknown_url', durationMs: 0, key: null },
      { id: 'new-id', route: 'unknown', path: null, method: '', status: 400, code: 'bad_request_framing', durationMs: 0, key: null },
    ]);
  });

  test('a connection that was reset before it said anything is no refusal', async () => {
    using client = await connectRaw(port);
    client.socket.resetAndDestroy();
    await until(async () => (await connections()) === 0, 'it is closed');
    expect(refusals).toEqual([]);
  });
});

describe('a request that is sound', () => {
  test('is handed on, with its host', async () => {
    using client = await connectRaw(port);
    client.send(GET);
    await until(() => responses.length === 1, 'it is handed on');
    expect(responses[0]!.req.headers.host).toBe('x');
    responses[0]!.end('ok');
    expect((await client.answer()).body).toBe('ok');
  });

  test('of HTTP/1.0 without a host has one that nobody would trust', async () => {
    using client = await connectRaw(port);
    client.send('GET /x HTTP/1.0\r\n\r\n');
    await until(() => responses.length === 1, 'it is handed on');
    expect(responses[0]!.req.headers.host).toBe('unnamed.invalid');
  });
});

describe('noise behind a request', () => {
  test('that has not been answered cuts the connection, and is not answered in its place', async () => {
    using client = await connectRaw(port);
    client.send(`${GET}noise\r\n\r\n`);
    await client.ended;
    expect(client.received).toBe('');
    expect(responses).toHaveLength(1);
    await until(() => responses[0]!.closed, 'the request is told');
  });

  test('whose answer has begun cuts it off', async () => {
    using client = await connectRaw(port);
    client.send(GET);
    await until(() => responses.length === 1, 'it is handed on');
    responses[0]!.write('half');
    await until(() => client.received.includes('half'), 'the answer has begun');
    client.send('noise\r\n\r\n');
    await client.ended;
    expect(client.received).not.toContain('HTTP/1.1 400');
  });

  test('in the body of a request is answered: the answer is its own', async () => {
    using client = await connectRaw(port);
    client.send('POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n');
    expect((await client.answer()).status).toBe(400);
  });
});
