import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkPayload } from '../../../../gateway/workers/wire/chunk-payload.ts';
import { cuts, places } from '../../openai/frames.ts';
import { chunkedBody, MALFORMED } from './chunked.ts';

test('for any body in any reads: the payload comes out, as it comes in', () => {
  fc.assert(
    fc.property(chunkedBody, places, ({ bytes, payloads }, at) => {
      const decoder = new ChunkPayload();
      const pieces: Buffer[] = [];
      const reads = cuts(bytes, at);
      reads.forEach((read, index) => {
        const result = decoder.push(read, (piece) => {
          expect(piece.length).toBeGreaterThan(0);
          pieces.push(Buffer.from(piece));
        });
        expect(result).toBe(index === reads.length - 1 ? 'end' : 'more');
      });
      expect(Buffer.concat(pieces)).toEqual(Buffer.concat(payloads));
    }),
    { numRuns: 1_000 },
  );
});

test('nothing is held back: half a chunk is handed on at once', () => {
  const decoder = new ChunkPayload();
  const pieces: string[] = [];
  decoder.push(Buffer.from('ffffff\r\nhalf'), (piece) => pieces.push(piece.toString()));
  expect(pieces).toEqual(['half']);
});

describe('what is not well formed', () => {
  test.each(MALFORMED)('%s, whole or a byte at a time', (_name, bytes) => {
    expect(new ChunkPayload().push(Buffer.from(bytes), () => {})).toBe('invalid');
    const decoder = new ChunkPayload();
    expect([...bytes].some((byte) => decoder.push(Buffer.from(byte), () => {}) === 'invalid')).toBe(true);
  });

  test.each([
    ['a size line', 'a'.repeat(20_000)],
    ['an extension', `2;${'a'.repeat(20_000)}`],
    ['a trailer line', `0\r\n${'a'.repeat(20_000)}`],
    ['a trailer', `0\r\n${'a: b\r\n'.repeat(5_000)}`],
  ])('%s without an end', (_name, bytes) => {
    expect(new ChunkPayload().push(Buffer.from(bytes), () => {})).toBe('invalid');
  });

  test('bytes behind the end', () => {
    const decoder = new ChunkPayload();
    expect(decoder.push(Buffer.from('0\r\n\r\n'), () => {})).toBe('end');
    expect(decoder.push(Buffer.from('HTTP/1.1'), () => {})).toBe('invalid');
  });
});
