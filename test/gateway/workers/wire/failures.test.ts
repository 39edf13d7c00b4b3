import * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { createTransport } from '../../../../gateway/workers/wire/transport.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { until } from '../../../support/gateway.ts';
import { chunk, STREAM_HEAD } from '../../http/raw-worker.ts';
import { Heard } from './heard.ts';
import { cleanups, POST, spoken, wire } from './wire.ts';

describe('failures', () => {
  test('nobody listens: the request was never sent', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const each = await wire({ url: `http://127.0.0.1:${port}` });
    const heard = await spoken(each);
    expect(heard.order).toEqual(['failed']);
    expect(heard.failure).toMatchObject({ kind: 'connect', error: { kind: 'upstream_disconnected', cause: { code: 'ECONNREFUSED' } } });
    await until(() => each.transport.openSockets === 0, 'it is let go of');
  });

  test('the connection takes too long: the request was never sent', async () => {
    // TCP connects at once on this machine; a worker that never answers to TLS is what can be made to take long.
    const each = await wire();
    const clock = createFakeClock();
    const transport = createTransport({ url: `https://127.0.0.1:${each.port}`, apiKey: null, clock, connectMs: () => 3_000 });
    cleanups.push(() => transport.close());
    const heard = new Heard();
    transport.exchange(POST, heard);
    await until(() => each.accepted() === 1, 'the worker has the connection');
    await clock.advance(2_999);
    expect(heard.order).toEqual([]);
    await clock.advance(1);
    await heard.over;
    expect(heard.order).toEqual(['failed']);
    expect(heard.failure).toMatchObject({ kind: 'connect', error: { cause: { message: 'no connection within 3000 ms' } } });
    expect(heard.failure!.error).toMatchObject({ status: 504, message: expect.stringContaining('timeouts.connect_ms') });
  });

  test('a kept connection that is closed as it is used is stale: the worker never saw the request', async () => {
    const each = await wire();
    await spoken(each);
    await each.clock.advance(3_000);
    each.serve = (socket) => socket.destroy();
    const heard = await spoken(each);
    expect(heard.failure).toMatchObject({ kind: 'stale', error: { kind: 'upstream_disconnected' } });
  });

  test('a fresh connection that is closed took the request with it', async () => {
    const each = await wire();
    each.serve = (socket) => socket.destroy();
    expect((await spoken(each)).failure).toMatchObject({ kind: 'died' });
  });

  test('a worker that breaks off in its head, its body or its stream has died', async () => {
    const each = await wire();
    for (const bytes of [
      'HTTP/1.1 2',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{',
      `${STREAM_HEAD}${chunk('data: a\n\n').toString()}`,
    ]) {
      for (const leave of ['end', 'resetAndDestroy'] as const) {
        each.serve = (socket) => socket.write(bytes, () => socket[leave]());
        expect((await spoken(each)).failure).toMatchObject({ kind: 'died', error: { kind: 'upstream_disconnected' } });
      }
    }
  });

  test('a body that ends with its connection is not whole when the connection is reset', async () => {
    const each = await wire();
    each.serve = (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n{', () => setImmediate(() => socket.resetAndDestroy()));
    expect((await spoken(each)).failure).toMatchObject({ kind: 'died' });
  });

  test('what is not HTTP is nonsense, and its connection is closed', async () => {
    const each = await wire();
    for (const bytes of ['hello\r\n', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', `${STREAM_HEAD}zz\r\n`]) {
      each.serve = (socket) => void socket.write(bytes);
      expect((await spoken(each)).failure).toMatchObject({ kind: 'nonsense', error: { kind: 'upstream_error' } });
      await until(() => each.transport.openSockets === 0, 'it is closed');
    }
  });
});
