import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rangeOf } from '../../../../gateway/http/stored/byte-range.ts';

test.each([
  [undefined, 'whole'],
  ['bytes=0-', [0, 10]],
  ['bytes=0-0', [0, 1]],
  ['bytes=2-4', [2, 5]],
  ['bytes=9-', [9, 10]],
  ['bytes=5-100', [5, 10]],
  ['bytes=-3', [7, 10]],
  ['bytes=-100', [0, 10]],
  ['bytes=10-', 'none'],
  ['bytes=10-12', 'none'],
  ['bytes=-0', 'none'],
  // What is no range, or several of them, is answered with the whole.
  ['bytes=4-2', 'whole'],
  ['bytes=0-1,3-4', 'whole'],
  ['bytes=-', 'whole'],
  ['lines=0-1', 'whole'],
  ['bytes=a-b', 'whole'],
  ['bytes=0-99999999999999999999', 'whole'],
] as const)('%s of ten bytes is %s', (header, expected) => {
  const range = rangeOf(header, 10);
  expect(range.kind === 'part' ? [range.start, range.end] : range.kind).toEqual(expected);
});

test('of nothing there is no part', () => {
  expect(rangeOf('bytes=0-', 0).kind).toBe('none');
  expect(rangeOf('bytes=-1', 0).kind).toBe('none');
  expect(rangeOf(undefined, 0).kind).toBe('whole');
});

test('a part lies within the file and is not empty', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), fc.boolean(), (first, last, size, isSuffix) => {
      const range = rangeOf(isSuffix ? `bytes=-${last}` : `bytes=${first}-${last}`, size);
      if (range.kind !== 'part') return;
      expect(range.start).toBeLessThan(range.end);
      expect(range.end).toBeLessThanOrEqual(size);
    }),
  );
});
