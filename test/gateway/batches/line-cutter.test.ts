import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CutLine, LineCutter } from '../../../gateway/batches/line-cutter.ts';

interface Seen {
  readonly number: number;
  readonly text: string | null;
}

/** @param sizes of the blocks, again and again */
function cut(bytes: Buffer, sizes: readonly number[], most = 1_000): Seen[] {
  const cutter = new LineCutter(most);
  const seen: Seen[] = [];
  // One block for all, as the thread reads.
  const block = Buffer.alloc(Math.max(...sizes));
  const take = ({ number, offset, length, bytes: line }: CutLine): void => {
    if (line !== null) expect(bytes.subarray(offset, offset + length).equals(line)).toBe(true);
    seen.push({ number, text: line?.toString() ?? null });
  };
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.min(sizes[turn % sizes.length]!, bytes.length - at);
    bytes.copy(block, 0, at, at + size);
    for (const line of cutter.cut(block.subarray(0, size))) take(line);
    at += size;
  }
  for (const line of cutter.end()) take(line);
  return seen;
}

describe('lines are cut where they end', () => {
  test.each([
    ['', []],
    ['{}', [[1, '{}']]],
    [
      'a\nb\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      '\n \t\r\na\n\n\nb',
      [
        [3, 'a'],
        [6, 'b'],
      ],
    ],
    [
      '\ufeffa\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['\ufeff', []],
    ['a\rb\n', [[1, 'a\rb']]],
  ] as [string, [number, string][]][])('%j', (text, lines) => {
    for (const size of [1, 2, 3, 100]) {
      expect(cut(Buffer.from(text), [size])).toEqual(lines.map(([number, line]) => ({ number, text: line })));
    }
  });

  test('a mark that does not end is part of the first line', () => {
    const bytes = Buffer.from([0xef, 0xbb, 0x61, 0x0a, 0x62]);
    for (const size of [1, 2, 5]) expect(cut(bytes, [size]).map(({ number }) => number)).toEqual([1, 2]);
  });

  test('a line that is too long is counted and not kept, the ones around it are', () => {
    const bytes = Buffer.from(`a\n${'x'.repeat(11)}\n${'y'.repeat(10)}\r\nb`);
    for (const size of [1, 4, 100]) {
      expect(cut(bytes, [size], 10)).toEqual([
        { number: 1, text: 'a' },
        { number: 2, text: null },
        { number: 3, text: 'y'.repeat(10) },
        { number: 4, text: 'b' },
      ]);
    }
  });

  test('wherever the blocks end', () => {
    const piece = fc.constantFrom('a', '{"x":1}', '\n', '\r\n', '\r', ' ', 'é', '\ufeff', 'x'.repeat(30));
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 }),
        (pieces, sizes) => {
          const bytes = Buffer.from(pieces.join(''));
          expect(cut(bytes, sizes, 25)).toEqual(cut(bytes, [10_000], 25));
        },
      ),
    );
  });
});
