import { describe, expect, test } from 'vitest';
import { chunk, LAST_CHUNK, STREAM_HEAD, whole } from '../../http/raw-worker.ts';
import { POST, spoken, wire } from './wire.ts';

describe('an exchange', () => {
  test('is told in order: sent, head, body, end', async () => {
    const each = await wire();
    const heard = await spoken(each);
    expect(heard.order).toEqual(['sent', 'head', 'data', 'end']);
    expect(heard.head).toEqual({ status: 200, contentType: 'application/json', contentLength: 2 });
    expect(heard.payload).toBe('{}');
  });

  test('sends exactly the request line, our own headers, those given, and the body', async () => {
    const each = await wire({ apiKey: 'worker-key' });
    await spoken(each);
    expect(each.requests).toEqual([
      `POST /v1/x HTTP/1.1\r\nhost: 127.0.0.1:${each.port}\r\nconnection: keep-alive\r\naccept-encoding: identity\r\nauthorization: Bearer worker-key\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}`,
    ]);
  });

  test('without a body has no length', async () => {
    const each = await wire();
    await spoken(each, { method: 'GET', path: '/health', headers: {}, body: null });
    expect(each.requests[0]).not.toMatch(/content-length|transfer-encoding/);
  });

  test('carries a body of megabytes', async () => {
    const each = await wire();
    const bytes = Buffer.alloc(5_000_000, 'x');
    const heard = await spoken(each, { ...POST, body: { bytes } });
    expect(heard.order.at(-1)).toBe('end');
    expect(each.requests[0]!.length).toBeGreaterThan(5_000_000);
  });

  test('of an empty answer ends with its head', async () => {
    const each = await wire();
    each.serve = (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    expect((await spoken(each)).order).toEqual(['sent', 'head', 'end']);
  });

  test('with a stream of events tells whole frames, however the reads fall', async () => {
    const each = await wire();
    const body = Buffer.concat([chunk('data: a\n\n'), chunk('data: b\n\n'), Buffer.from(LAST_CHUNK)]);
    each.serve = async (socket) => {
      for (const byte of Buffer.concat([Buffer.from(STREAM_HEAD), body])) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const heard = await spoken(each);
    expect(heard.order).toEqual(['sent', 'head', 'frames', 'end']);
    expect(heard.head).toMatchObject({ contentLength: null });
    expect(heard.payload).toBe('data: a\n\ndata: b\n\n');
  });

  test('with events that come in no chunks tells frames all the same', async () => {
    const each = await wire();
    each.serve = (socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: a\n\n');
    const heard = await spoken(each);
    expect(heard.order).toEqual(['sent', 'head', 'frames', 'end']);
    expect(heard.payload).toBe('data: a\n\n');
  });
});

describe('small questions', () => {
  test('are answered with status and text', async () => {
    const each = await wire({ apiKey: 'worker-key' });
    each.serve = (socket) => void socket.write(whole('{"ok":"é"}'));
    expect(await each.transport.get('/health', 5_000)).toEqual({ status: 200, body: '{"ok":"é"}' });
    expect(each.requests[0]).toMatch(/^GET \/health HTTP\/1\.1\r\n/);
    expect(each.requests[0]).toContain('authorization: Bearer worker-key');
  });

  test('that are not answered in time fail', async () => {
    const each = await wire();
    each.serve = () => {};
    await expect(each.transport.get('/health', 50)).rejects.toThrow(/aborted|time/i);
  });

  test('have no endless answers', async () => {
    const each = await wire();
    each.serve = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'x')));
        if (!socket.destroyed) socket.once('drain', more);
      };
      more();
    };
    await expect(each.transport.get('/metrics', 10_000)).rejects.toMatchObject({ kind: 'upstream_error' });
  });
});
