import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkWalker, MAX_FRAME_BYTES, type WalkResult } from '../../../../gateway/workers/wire/chunk-frames.ts';
import { cuts, payloadOf, places } from '../../openai/frames.ts';
import { chunkedBody, MALFORMED } from './chunked.ts';

function walk(...reads: (string | Buffer)[]): { walker: ChunkWalker; results: WalkResult[]; passed: string; payload: string } {
  const walker = new ChunkWalker();
  const results: WalkResult[] = [];
  let passed = '';
  let payload = '';
  for (const read of reads) {
    results.push(walker.walk(Buffer.from(read)));
    passed += walker.batch.bytes.toString('latin1');
    payload += payloadOf(walker.batch).toString('latin1');
  }
  return { walker, results, passed, payload };
}

test('for any body in any reads: the frames pass untouched and whole, and so does their payload', () => {
  fc.assert(
    fc.property(chunkedBody, places, ({ bytes, payloads, framesLength }, at) => {
      const walker = new ChunkWalker();
      const passed: Buffer[] = [];
      const chunks: Buffer[] = [];
      const reads = cuts(bytes, at);
      reads.forEach((read, index) => {
        const result = walker.walk(read);
        const { batch } = walker;
        expect(result).toBe(index === reads.length - 1 ? 'end' : 'more');
        passed.push(Buffer.from(batch.bytes));
        // Every batch begins and ends with a frame.
        if (batch.count > 0) expect(batch.bytes.subarray(batch.ends[batch.count - 1]).toString()).toBe('\r\n');
        else expect(batch.bytes).toHaveLength(0);
        for (let i = 0; i < batch.count; i++) {
          chunks.push(Buffer.from(batch.bytes.subarray(batch.starts[i], batch.ends[i])));
          const line = batch.bytes.toString('latin1', i === 0 ? 0 : batch.ends[i - 1]! + 2, batch.starts[i]);
          expect(line).toMatch(/^[0-9a-fA-F]+(?:;.*)?\r\n$/);
          expect(Number.parseInt(line, 16)).toBe(batch.ends[i]! - batch.starts[i]!);
        }
      });
      expect(Buffer.concat(passed)).toEqual(bytes.subarray(0, framesLength));
      expect(chunks).toEqual(payloads);
      expect(walker.rest).toBe(0);
    }),
    { numRuns: 1_000 },
  );
});

test('a long frame in many reads costs in proportion to its length', () => {
  const bytes = 8 * 1024 * 1024;
  const body = Buffer.concat([
    Buffer.from(`${bytes.toString(16)}\r\n`),
    Buffer.alloc(bytes, 'x'),
    Buffer.from('\r\n5\r\nafter\r\n0\r\n\r\n'),
  ]);
  const walker = new ChunkWalker();
  const payloads: number[] = [];
  const startedAt = process.cpuUsage();
  for (let at = 0; at < body.length; at += 1024) {
    walker.walk(body.subarray(at, at + 1024));
    for (let i = 0; i < walker.batch.count; i++) payloads.push(walker.batch.ends[i]! - walker.batch.starts[i]!);
  }
  expect(payloads).toEqual([bytes, 5]);
  // To put it together anew at each read would copy 32 GiB.
  expect(process.cpuUsage(startedAt).user / 1000).toBeLessThan(1000);
});

test.each([1_000_003, 20_000_000])(
  'a chunk that is too long to be held is passed on as it comes, in frames of its own (reads of %i bytes)',
  (size) => {
    const long = Buffer.alloc(MAX_FRAME_BYTES + 1, 'x');
    const frames = [`5\r\nfirst\r\n${long.length.toString(16)}\r\n`, long, '\r\n5\r\nafter\r\n0\r\n\r\n'];
    const body = Buffer.concat(frames.map((frame) => Buffer.from(frame)));
    const walker = new ChunkWalker();
    const again = new ChunkWalker();
    const payloads: Buffer[] = [];
    let result: WalkResult = 'more';
    let most = 0;
    for (let at = 0; at < body.length; at += size) {
      result = walker.walk(body.subarray(at, at + size));
      payloads.push(Buffer.from(payloadOf(walker.batch)));
      most = Math.max(most, walker.batch.bytes.length);
      // What is passed on is well formed, and each batch ends with a frame.
      const { bytes, count } = walker.batch;
      if (count > 0) expect([again.walk(bytes), again.batch.bytes.length]).toEqual(['more', bytes.length]);
    }
    expect(result).toBe('end');
    expect(Buffer.concat(payloads).equals(Buffer.concat([Buffer.from('first'), long, Buffer.from('after')]))).toBe(true);
    expect(most).toBeLessThan(size + 1_000);
  },
);

test('no read changes what an earlier batch holds: its bytes may still be on their way', () => {
  const walker = new ChunkWalker();
  walker.walk(Buffer.from('5\r\nfirst\r\n6\r\nsec'));
  const early = walker.batch.bytes;
  walker.walk(Buffer.from('ond\r\n'));
  expect(early.toString()).toBe('5\r\nfirst\r\n');
  expect(walker.batch.bytes.toString()).toBe('6\r\nsecond\r\n');
});

describe('what is not well formed', () => {
  test.each(MALFORMED)('%s, whole or a byte at a time', (_name, bytes) => {
    expect(walk(bytes).results.at(-1)).toBe('invalid');
    const walker = new ChunkWalker();
    expect([...bytes].some((byte) => walker.walk(Buffer.from(byte)) === 'invalid')).toBe(true);
  });

  test('comes after the frames before it', () => {
    const { results, payload, passed } = walk('2\r\nab\r\n3\r\ncde\r\nzz\r\n');
    expect(results).toEqual(['invalid']);
    expect(payload).toBe('abcde');
    expect(passed).toBe('2\r\nab\r\n3\r\ncde\r\n');
  });

  test('an extension that hides a line, or is long', () => {
    expect(walk('2;a\nb\r\n{}\r\n').results).toEqual(['invalid']);
    expect(walk('2;a\0\r\n{}\r\n').results).toEqual(['invalid']);
    expect(walk(`2;${'a'.repeat(300)}`).results).toEqual(['invalid']);
    expect(walk('2;a="b"\r\n{}\r\n').payload).toBe('{}');
  });

  test('the end of a chunk that was too long to be held', () => {
    const long = [`${(MAX_FRAME_BYTES + 1).toString(16)}\r\n`, Buffer.alloc(MAX_FRAME_BYTES, 'x')];
    expect(walk(...long, 'xz').results).toEqual(['more', 'more', 'invalid']);
    expect(walk(...long, 'x\r', 'x').results).toEqual(['more', 'more', 'more', 'invalid']);
  });

  test('a trailer without an end', () => {
    const { results } = walk('0\r\n', ...Array<string>(20).fill(`x: ${'y'.repeat(1_000)}\r\n`));
    expect(results).toContain('invalid');
    expect(results).not.toContain('end');
  });
});

test('bytes behind the end are told, so that the connection is not used again', () => {
  const { walker, results } = walk('2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n');
  expect(results).toEqual(['end']);
  expect(walker.rest).toBe('HTTP/1.1 200 OK\r\n'.length);
});
