import type * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { until } from '../../../support/gateway.ts';
import { chunk, LAST_CHUNK, STREAM_HEAD, whole } from '../../http/raw-worker.ts';
import type { Spoken } from './heard.ts';
import { rested, speak, spoken, wire } from './wire.ts';

describe('connections', () => {
  test('are used again, the last one first, and never by two at once', async () => {
    const each = await wire();
    for (let i = 0; i < 5; i++) await spoken(each);
    expect(each.accepted()).toBe(1);
    const held: (() => void)[] = [];
    each.serve = (socket) => held.push(() => socket.write(whole('{}')));
    const both = [speak(each), speak(each)];
    await until(() => held.length === 2, 'both are there');
    expect(each.accepted()).toBe(2);
    for (const answer of held) answer();
    await Promise.all(both.map(({ heard }) => heard.over));
    expect(each.transport.openSockets).toBe(2);
  });

  test.each([
    ['the worker says close', (socket: net.Socket) => void socket.write(whole('{}', 'connection: close'))],
    ['the worker speaks HTTP/1.0', (socket: net.Socket) => void socket.write('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}')],
    ['the body ends with the connection', (socket: net.Socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n{}')],
    ['bytes follow the body', (socket: net.Socket) => void socket.write(Buffer.concat([whole('{}'), Buffer.from('HTTP')]))],
    ['bytes follow the last chunk', (socket: net.Socket) => void socket.write(`${STREAM_HEAD}${LAST_CHUNK}HTTP`)],
    ['the worker keeps it for a second or less', (socket: net.Socket) => void socket.write(whole('{}', 'keep-alive: timeout=1'))],
  ])('are not used again when %s', async (_name, serve) => {
    const each = await wire();
    each.serve = serve;
    const heard = await spoken(each);
    expect(heard.order.at(-1)).toBe('end');
    await until(() => each.transport.openSockets === 0, 'it is closed');
    each.serve = (socket) => void socket.write(whole('{}'));
    await spoken(each);
    expect(each.accepted()).toBe(2);
  });

  test('are not used after their rest is over, and are closed then', async () => {
    const each = await wire({ keepAliveMs: 4_000 });
    await spoken(each);
    await each.clock.advance(3_900);
    await spoken(each);
    expect(each.accepted()).toBe(1);
    await each.clock.advance(4_200);
    await until(() => each.transport.openSockets === 0, 'it is closed without being asked for');
    await spoken(each);
    expect(each.accepted()).toBe(2);
  });

  test("follow the worker's own limit, with a second to spare", async () => {
    const each = await wire();
    each.serve = (socket) => void socket.write(whole('{}', 'keep-alive: timeout=30'));
    await spoken(each);
    await each.clock.advance(28_000);
    await spoken(each);
    expect(each.accepted()).toBe(1);
    await each.clock.advance(29_100);
    await spoken(each);
    expect(each.accepted()).toBe(2);
  });

  test('that the worker closed, or spoke on unasked, are not used', async () => {
    const each = await wire();
    for (const spoil of [
      (socket: net.Socket) => socket.end(),
      (socket: net.Socket) => socket.destroy(),
      (socket: net.Socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\n'),
    ]) {
      await spoken(each);
      for (const socket of each.sockets) spoil(socket);
      await until(() => each.transport.openSockets === 0, 'it is gone');
      expect((await spoken(each)).order.at(-1)).toBe('end');
    }
  });

  test('that are paused when their exchange ends serve the next', async () => {
    const each = await wire();
    each.serve = (socket) => void socket.write(`${STREAM_HEAD}${chunk('data: a\n\n').toString()}${LAST_CHUNK}`);
    const { heard, exchange } = speak(each);
    heard.onPiece = () => exchange.pause();
    await heard.over;
    await rested();
    expect((await spoken(each)).payload).toBe('data: a\n\n');
    expect(each.accepted()).toBe(1);
  });

  test('hold the worker back while they are paused, and lose nothing', async () => {
    const each = await wire();
    const piece = chunk(`data: ${'x'.repeat(10_000)}\n\n`);
    const count = 3_000;
    let written = 0;
    each.serve = (socket) => {
      socket.write(STREAM_HEAD);
      const more = (): void => {
        while (written < count) {
          written++;
          if (!socket.write(piece)) return void socket.once('drain', more);
        }
        socket.write(LAST_CHUNK);
      };
      more();
    };
    const { heard, exchange } = speak(each);
    heard.onPiece = () => {
      heard.onPiece = null;
      exchange.pause();
    };
    let before = -1;
    await until(() => {
      const still = written === before;
      before = written;
      return still && written > 0;
    }, 'the worker is held back');
    expect(written).toBeLessThan(count);
    exchange.resume();
    await heard.over;
    expect(heard.payload.length).toBe(count * 10_008);
  });

  test('are freed at once when an exchange is aborted, at any moment, and nothing more is heard', async () => {
    const each = await wire();
    const moments: ((spoken: Spoken) => Promise<void>)[] = [
      // Before the connection is there.
      async () => {},
      async () => until(() => each.requests.length > 0, 'the worker has it'),
      async ({ heard }) => until(() => heard.head !== null, 'the head has come'),
      async ({ heard }) => until(() => heard.payload !== '', 'the stream flows'),
    ];
    for (const moment of moments) {
      each.requests.length = 0;
      each.serve = async (socket) => {
        socket.write(STREAM_HEAD);
        await new Promise((resolve) => setTimeout(resolve, 5));
        while (!socket.destroyed) {
          socket.write(chunk('data: a\n\n'));
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const speaking = speak(each);
      await moment(speaking);
      const heardBefore = speaking.heard.payload;
      speaking.exchange.abort();
      expect(speaking.heard.payload).toBe(heardBefore);
      await until(() => each.transport.openSockets === 0 && each.sockets.size === 0, 'both ends are closed');
      expect(speaking.heard.order).not.toContain('failed');
      expect(speaking.heard.order).not.toContain('end');
      expect(speaking.heard.payload).toBe(heardBefore);
    }
  });

  test('are all gone after close, in use or not', async () => {
    const each = await wire();
    await spoken(each);
    each.serve = () => {};
    const { heard } = speak(each);
    speak(each);
    await until(() => each.requests.length === 3, 'both are there');
    await each.transport.close();
    await until(() => each.sockets.size === 0, 'the worker sees it');
    expect(heard.failure).toMatchObject({ kind: 'died' });
    expect(each.transport.openSockets).toBe(0);
    expect(each.clock.pending).toBe(0);
  });
});
