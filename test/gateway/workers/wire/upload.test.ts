import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { UpstreamRequest } from '../../../../gateway/core/transport.ts';
import { until } from '../../../support/gateway.ts';
import { chunk, LAST_CHUNK, STREAM_HEAD, whole } from '../../http/raw-worker.ts';
import { POST, speak, spoken, wire } from './wire.ts';

describe('uploads', () => {
  const upload = (stream: Readable, contentLength: number | null): UpstreamRequest => ({
    ...POST,
    body: { kind: 'stream', stream, contentLength },
  });

  test('keep their length, or go in chunks', async () => {
    const each = await wire();
    const heard = await spoken(each, upload(Readable.from([Buffer.from('ab'), Buffer.from('cd')]), 4));
    expect(heard.order).toEqual(['sent', 'head', 'data', 'end']);
    expect(each.requests[0]).toMatch(/\r\ncontent-length: 4\r\n(?:.*\r\n)?\r\nabcd$/s);
    await spoken(each, upload(Readable.from([Buffer.from('ab')]), null));
    expect(each.requests[1]).toMatch(/transfer-encoding: chunked/);
  });

  test('may be answered by a stream of events', async () => {
    const each = await wire();
    each.serve = (socket) => void socket.write(`${STREAM_HEAD}${chunk('data: a\n\n').toString()}${LAST_CHUNK}`);
    const heard = await spoken(each, upload(Readable.from([Buffer.from('ab')]), 2));
    expect(heard.order).toEqual(['sent', 'head', 'frames', 'end']);
    expect(heard.payload).toBe('data: a\n\n');
  });

  test('that are aborted free the worker and are heard of no more', async () => {
    const each = await wire();
    each.serve = () => {};
    const stream = new Readable({ read() {} });
    stream.push('half');
    const { heard, exchange } = speak(each, upload(stream, 100));
    await until(() => each.accepted() === 1, 'the worker has the connection');
    exchange.abort();
    await until(() => each.sockets.size === 0, 'the worker is freed');
    expect(heard.order).toEqual([]);
  });

  test('however many there are, keep neither each other nor a look at the worker’s health waiting', async () => {
    const each = await wire();
    each.serve = (socket, request) => void (request.startsWith('GET') && socket.write(whole('{"well":true}')));
    const uploads = Array.from({ length: 40 }, () => {
      const stream = new Readable({ read() {} });
      stream.push('half');
      return speak(each, upload(stream, 100));
    });
    await until(() => each.accepted() === 40, 'every upload has a connection');
    expect(await each.transport.get('/health', 60_000)).toEqual({ status: 200, body: '{"well":true}' });
    for (const { exchange } of uploads) exchange.abort();
  });

  test('tell a worker that cannot be reached from one that broke off', async () => {
    const each = await wire();
    each.serve = (socket) => socket.destroy();
    expect((await spoken(each, upload(Readable.from([Buffer.from('ab')]), 2))).failure).toMatchObject({ kind: 'died' });
    const nowhere = await wire({ url: 'http://127.0.0.1:1' });
    expect((await spoken(nowhere, upload(Readable.from([Buffer.from('ab')]), 2))).failure).toMatchObject({ kind: 'connect' });
  });
});
