import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BYTES_A_BLOCK, HeldBlocks } from '../../../../gateway/policies/prefix/held-blocks.ts';

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('blocks that a worker has', () => {
  test('are as many of a prompt as were sent from its first on', () => {
    const held = new HeldBlocks(1_000);
    held.hold([1, 2, 3, 4]);
    expect(held.matched([1, 2, 3, 4, 5])).toBe(4);
    expect(held.matched([1, 2, 9, 4])).toBe(2);
    expect(held.matched([9, 2])).toBe(0);
    expect(held.matched([])).toBe(0);
  });

  test('go the least recently used first, of a prompt its end', () => {
    const held = new HeldBlocks(6);
    held.hold([1, 2, 3]);
    held.hold([11, 12, 13]);
    held.hold([1, 2]);
    held.hold([21, 22]);
    // 3 was older than all of the second, of which the end went next.
    expect(held.matched([1, 2, 3])).toBe(2);
    expect(held.matched([11, 12, 13])).toBe(2);
    expect(held.matched([21, 22])).toBe(2);
  });

  test('of a prompt that is larger than all the room its beginning is kept', () => {
    const held = new HeldBlocks(10);
    held.hold(upTo(25));
    expect(held.matched(upTo(25))).toBe(10);
  });

  test('are fewer when there is less room, the newest of them', () => {
    const held = new HeldBlocks(5_000);
    held.hold(upTo(3_000));
    held.hold(upTo(40, 10_000));
    held.limit(1_000);
    expect(held.size).toBe(1_000);
    expect(held.matched(upTo(40, 10_000))).toBe(40);
    expect(held.matched(upTo(3_000))).toBe(960);
  });
});

/** A prompt is a way down a tree of blocks: what follows a block says all that came before. */
const prompt = fc
  .array(fc.nat(2), { minLength: 1, maxLength: 12 })
  .map((way) => way.map((_, i) => way.slice(0, i + 1).reduce((name, step) => name * 3 + step + 1, 0) * 1_048_573 + 0.5));

test('it is a table by least recent use, at every size, and never larger than it may be', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.tuple(prompt, fc.integer({ min: 0, max: 60 })), { maxLength: 60 }),
      (most, told) => {
        const held = new HeldBlocks(most);
        let room = most;
        // The last one is the newest.
        let known: number[] = [];
        for (const [blocks, limit] of told) {
          if (limit > 50) held.limit((room = limit - 50));
          held.hold(blocks);
          for (const name of blocks.slice(0, room).toReversed()) known = [...known.filter((each) => each !== name), name];
          known = known.slice(-room);
          const expected = blocks.findIndex((name) => !known.includes(name));
          expect(held.matched(blocks)).toBe(expected < 0 ? blocks.length : expected);
          expect(held.size).toBeLessThanOrEqual(room);
        }
        for (const [blocks] of told) {
          const expected = blocks.findIndex((name) => !known.includes(name));
          expect(held.matched(blocks)).toBe(expected < 0 ? blocks.length : expected);
        }
        expect(held.size).toBe(known.length);
        expect(held.bytes).toBeLessThanOrEqual(Math.max(most, room) * BYTES_A_BLOCK);
      },
    ),
  );
});
