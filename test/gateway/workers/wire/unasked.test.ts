import type * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { until } from '../../../support/gateway.ts';
import { chunk, LAST_CHUNK, STREAM_HEAD, whole } from '../../http/raw-worker.ts';
import type { Heard, Spoken } from './heard.ts';
import { POST, rested, speak, spoken, wire, type Wire } from './wire.ts';

const STREAM = `${STREAM_HEAD}${chunk('data: a\n\n').toString()}${LAST_CHUNK}`;
const CHUNKED = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n${LAST_CHUNK}`;
const EMPTY = 'HTTP/1.1 204 No Content\r\n\r\n';

/** A call with that id, and its end. */
function named(each: Wire, id: string): Promise<Heard> {
  return spoken(each, { ...POST, headers: { ...POST.headers, 'x-request-id': id } });
}

function idIn(request: string): string {
  return /x-request-id: (\S+)/.exec(request)?.[1] ?? '';
}

describe('what a worker says unasked', () => {
  test.each([
    ['a whole answer', whole('{}').toString()],
    ['a stream', STREAM],
    ['an answer in chunks', CHUNKED],
    ['an answer without a body', EMPTY],
  ])('in the same read as %s ends the connection, and the answer stands', async (_name, answer) => {
    let told = 0;
    const each = await wire({ onUnasked: () => told++ });
    each.serve = (socket) => void socket.write(answer + answer);
    const heard = await spoken(each);
    expect(heard.order.at(-1)).toBe('end');
    await until(() => each.transport.openSockets === 0, 'it is closed');
    await spoken(each);
    expect(each.accepted()).toBe(2);
    expect(told).toBe(1);
  });

  test('right behind its answer is not taken for the answer to a request that waits for the connection', async () => {
    const each = await wire();
    each.serve = (socket, request) => {
      socket.write(whole(JSON.stringify(request.slice(-1))));
      setImmediate(() => socket.write(whole(JSON.stringify(request.slice(-1)))));
    };
    const bodies: string[] = [];
    const ask = async (body: string): Promise<void> => {
      const { heard } = speak(each, { ...POST, body: { bytes: Buffer.from(body) } });
      await heard.over;
      bodies.push(heard.payload);
    };
    for (const body of ['1', '2', '3', '4']) await ask(body);
    expect(bodies).toEqual(['"1"', '"2"', '"3"', '"4"']);
  });

  test('while the client of its last answer was slow is heard all the same', async () => {
    const each = await wire();
    each.serve = (socket) => {
      socket.write(STREAM);
      setImmediate(() => socket.write(STREAM));
    };
    const { heard, exchange } = speak(each);
    heard.onPiece = () => exchange.pause();
    await heard.over;
    await until(() => each.transport.openSockets === 0, 'it is closed');
  });

  test.each([
    ['said', (socket: net.Socket) => socket.write(whole('{}'))],
    ['closed', (socket: net.Socket) => socket.destroy()],
  ])('%s before a request has been written leaves that request unsent', async (_name, act) => {
    const each = await wire();
    await spoken(each);
    const { heard } = await new Promise<Spoken>((resolve) => {
      setImmediate(() => {
        for (const socket of each.sockets) act(socket);
        resolve(speak(each));
      });
    });
    await heard.over;
    expect(heard.failure?.kind).toBe('stale');
    expect(each.requests).toHaveLength(1);
    expect((await spoken(each)).order.at(-1)).toBe('end');
    expect(each.accepted()).toBe(2);
  });

  test('costs it the trust in all its connections, until some time has passed', async () => {
    const each = await wire();
    each.serve = (socket) => void socket.write(Buffer.concat([whole('{}'), whole('{}')]));
    await spoken(each);
    each.serve = (socket) => void socket.write(whole('{}'));
    for (let call = 0; call < 3; call++) await spoken(each);
    expect(each.accepted()).toBe(4);
    await each.clock.advance(600_000);
    for (let call = 0; call < 3; call++) await spoken(each);
    expect(each.accepted()).toBe(5);
  });

  test('as a connection has rested too long (408) costs it that connection alone', async () => {
    const each = await wire();
    await spoken(each);
    for (const socket of each.sockets) socket.end('HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    await until(() => each.transport.openSockets === 0, 'it is closed');
    for (let call = 0; call < 3; call++) await spoken(each);
    expect(each.accepted()).toBe(2);
  });
});

describe('an answer that names its request', () => {
  test.each([
    ['in its head', (id: string) => whole('{}', `content-type: application/json\r\nx-request-id: ${id}`)],
    ['as the id of a completion', (id: string) => whole(`{"id":"chatcmpl-${id}","choices":[]}`)],
    [
      'as the id of a stream',
      (id: string) => Buffer.from(`${STREAM_HEAD}${chunk(`data: {"id":"chatcmpl-${id}"}\n\n`).toString()}${LAST_CHUNK}`),
    ],
  ])('%s, and names the one before, is nonsense and ends its connection', async (_name, answer) => {
    const each = await wire();
    let last = '';
    each.serve = (socket, request, count) => {
      // The second answer to the first request comes late: when the next has been asked.
      socket.write(answer(count === 1 ? idIn(request) : last));
      last = idIn(request);
    };
    expect((await named(each, 'a'.repeat(32))).order.at(-1)).toBe('end');
    const second = await named(each, 'b'.repeat(32));
    expect(each.accepted()).toBe(1);
    expect(second.failure).toMatchObject({ kind: 'nonsense', error: { kind: 'upstream_error' } });
    expect(second.payload).toBe('');
    expect(each.transport.openSockets).toBe(0);
    each.serve = (socket, request) => void socket.write(answer(idIn(request)));
    expect((await named(each, 'c'.repeat(32))).order.at(-1)).toBe('end');
  });

  test('and has always named another is believed: a proxy counts by itself', async () => {
    const each = await wire();
    let count = 0;
    each.serve = (socket) => void socket.write(whole('{}', `x-request-id: proxy-${++count}`));
    for (const id of ['a', 'b', 'c']) expect((await named(each, id.repeat(32))).order.at(-1)).toBe('end');
    expect(each.accepted()).toBe(1);
  });

  test('by one whom nobody asked is nonsense where the worker has named the right ones before', async () => {
    const each = await wire();
    each.serve = (socket, request) => void socket.write(whole('{}', `x-request-id: ${idIn(request)}`));
    await named(each, 'a'.repeat(32));
    each.serve = (socket) => void socket.write(whole('{}', 'x-request-id: nobody'));
    expect((await named(each, 'b'.repeat(32))).failure).toMatchObject({ kind: 'nonsense' });
  });
});

test('the first connections to a worker rest for a while before they are used again, and are not too many', async () => {
  const each = await wire({ proofs: 3 });
  for (let call = 0; call < 70; call++) await spoken(each);
  expect(each.accepted()).toBe(70);
  expect(each.transport.openSockets).toBe(64);
  await each.clock.advance(100);
  await rested();
  for (let call = 0; call < 5; call++) await spoken(each);
  expect(each.accepted()).toBe(70);
});

test('a worker that answers twice while its first connections rest is caught before any is used again', async () => {
  const each = await wire({ proofs: 3 });
  const twice = (socket: net.Socket): void => void socket.write(whole('{}'));
  await spoken(each);
  for (const socket of each.sockets) twice(socket);
  await until(() => each.transport.openSockets === 0, 'it is closed');
  await each.clock.advance(1_000);
  for (let call = 0; call < 3; call++) await spoken(each);
  expect(each.accepted()).toBe(4);
});
