import { once } from 'node:events';
import fc from 'fast-check';
import type { IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { BodyMemory, GrowingBytes, readBody } from '../../../../gateway/http/body/read-body.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { answers, startFakeVllm } from '../../../support/fake-vllm.ts';
import { startTestGateway, until } from '../../../support/gateway.ts';

const read = (stream: Readable, maxBytes = 1_000, clock = createFakeClock()) =>
  readBody(stream as unknown as IncomingMessage, maxBytes, clock);
const pieces = (...texts: string[]) => Readable.from(texts.map((text) => Buffer.from(text)));

describe('a body', () => {
  test('is put together from its pieces', async () => {
    expect((await read(pieces('a', 'bc', '', 'def'))).toString()).toBe('abcdef');
    expect(await read(Readable.from([]))).toHaveLength(0);
  });

  test('of exactly the limit is accepted, one byte more is not', async () => {
    expect(await read(pieces('x'.repeat(600), 'x'.repeat(400)))).toHaveLength(1_000);
    await expect(read(pieces('x'.repeat(600), 'x'.repeat(401)))).rejects.toMatchObject({ kind: 'request_too_large' });
    await expect(read(pieces('x'.repeat(1_001)))).rejects.toMatchObject({ kind: 'request_too_large' });
  });

  test('that is cut is truncated, and its connection of no more use', async () => {
    for (const cut of [(stream: PassThrough) => stream.destroy(), (stream: PassThrough) => stream.destroy(new Error('reset'))]) {
      const stream = new PassThrough();
      stream.on('error', () => {});
      stream.write('half');
      const body = read(stream);
      setImmediate(() => cut(stream));
      await expect(body).rejects.toMatchObject({ kind: 'truncated_body', details: { close: true } });
    }
  });

  test('that is large must keep moving, however much of it came at first', async () => {
    const clock = createFakeClock();
    const stream = new PassThrough();
    let failure: unknown = null;
    const body = read(stream, 1_000_000, clock).catch((error: unknown) => (failure = error));
    stream.write('x'.repeat(66_000));
    await clock.advance(9_000);
    stream.write('x'.repeat(10_240));
    // A byte now and then is no upload.
    for (let i = 0; i < 10; i++) {
      await clock.advance(1_000);
      stream.write('x');
    }
    expect(failure).toBeNull();
    await clock.advance(1_000);
    await body;
    expect(failure).toMatchObject({ kind: 'request_timeout', details: { close: true } });
    expect(clock.pending).toBe(0);
  });

  test('that is small, or comes at a kilobyte a second, is waited for', async () => {
    const clock = createFakeClock();
    const small = new PassThrough();
    const large = new PassThrough();
    const both = Promise.all([read(small, 1_000_000, clock), read(large, 1_000_000, clock)]);
    small.write('x');
    large.write('x'.repeat(66_000));
    for (let i = 0; i < 6; i++) {
      await clock.advance(9_900);
      large.write('x'.repeat(10_240));
      await clock.advance(100);
    }
    small.end();
    large.end();
    expect((await both).map(({ length }) => length)).toEqual([1, 127_440]);
    expect(clock.pending).toBe(0);
  });

  test('that is refused leaves no listeners behind, and after one that was read nothing more is heard', async () => {
    const count = (stream: Readable) => stream.eventNames().reduce((sum, name) => sum + stream.listenerCount(name), 0);
    const refused = pieces('a', 'b');
    const before = count(refused);
    await expect(read(refused, 1)).rejects.toMatchObject({ kind: 'request_too_large' });
    expect(count(refused)).toBe(before);

    const stream = pieces('a', 'b');
    const lengths: number[] = [];
    const whole = readBody(stream as unknown as IncomingMessage, 10, createFakeClock(), (bytes) => void lengths.push(bytes));
    expect((await whole).toString()).toBe('ab');
    const closed = once(stream, 'close');
    stream.destroy();
    await closed;
    expect(lengths).toEqual([1, 2]);
  });
});

describe('growing bytes', () => {
  test('hold what was added, for any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3_000 }), { maxLength: 30 }), (parts) => {
        const bytes = new GrowingBytes();
        for (const part of parts) bytes.add(Buffer.from(part));
        const all = Buffer.concat(parts);
        expect(bytes.length).toBe(all.length);
        expect(bytes.bytes().equals(all)).toBe(true);
      }),
    );
  });

  test('do not write into a piece that was added', () => {
    const owner = Buffer.from('abcdef');
    const bytes = new GrowingBytes();
    bytes.add(owner.subarray(0, 3));
    bytes.add(Buffer.from('XYZ'));
    expect(owner.toString()).toBe('abcdef');
    expect(bytes.bytes().toString()).toBe('abcXYZ');
  });

  test('hand out a single piece as it is', () => {
    const piece = Buffer.from('abc');
    const bytes = new GrowingBytes();
    bytes.add(piece);
    expect(bytes.bytes().buffer).toBe(piece.buffer);
  });

  test('of a million pieces of a byte take memory for a million bytes', () => {
    const byte = Buffer.from('x');
    const bytes = new GrowingBytes();
    for (let i = 0; i < 1_000_000; i++) bytes.add(byte);
    const all = bytes.bytes();
    expect(all).toHaveLength(1_000_000);
    expect(all.buffer.byteLength).toBeLessThan(1_100_000);
  });
});

test('bodies are held up to sixteen of the largest, and what is released makes room', () => {
  const memory = new BodyMemory(() => 100_000);
  const rooms = Array.from({ length: 16 }, () => memory.open());
  for (const room of rooms) room.resize(100_000);
  const late = memory.open();
  expect(() => late.resize(70_000)).toThrow(expect.objectContaining({ kind: 'queue_full' }));
  // A small one is no burden.
  late.resize(1_000);
  expect(memory.heldBytes).toBe(1_600_000);
  rooms[0]!.release();
  late.resize(70_000);
  for (const room of [...rooms, late, late]) room.release();
  expect(memory.heldBytes).toBe(0);
});

test('large requests that wait together are refused before they fill the memory, and served again once some have ended', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.silence();
  await using gateway = await startTestGateway([worker.url], { server: { max_body_bytes: 100_000 } });
  await gateway.gateway.firstReady;
  const leaving = new AbortController();
  const ask = (signal?: AbortSignal) =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(99_000) }] }),
      ...(signal ? { signal } : {}),
    });
  const held = Array.from({ length: 16 }, () => ask(leaving.signal).catch(() => null));
  await until(() => worker.requests.length === 16, 'sixteen large requests are at the worker');
  const refused = await ask();
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_full');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  leaving.abort();
  await Promise.all(held);
  worker.script = answers.completion();
  await until(async () => (await ask()).status === 200, 'there is room again');
});
