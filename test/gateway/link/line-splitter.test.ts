import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLineSplitter } from '../../../gateway/link/watch.ts';

test('however the bytes are cut, the lines are the same', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(20)), (texts, cuts) => {
      const lines = texts.map((text) => text.replaceAll('\n', ' '));
      const bytes = Buffer.from([...lines, 'unfinished'].join('\n'));
      const splitter = createLineSplitter(1000);
      const found: string[] = [];
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        found.push(...splitter.push(bytes.subarray(from, from + cut)));
        from += cut;
      }
      expect(found).toEqual(lines);
    }),
  );
});

test('a line that grows beyond the limit is refused, in one piece or many, and shorter ones do not add up', () => {
  const splitter = createLineSplitter(4);
  expect(splitter.push(Buffer.from('1234\n12'))).toEqual(['1234']);
  expect(splitter.push(Buffer.from('34'))).toEqual([]);
  expect(() => splitter.push(Buffer.from('5'))).toThrow('longer than 4 bytes');
  expect(() => createLineSplitter(4).push(Buffer.from('12345\n'))).toThrow('longer than 4 bytes');
});
