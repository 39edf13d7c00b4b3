import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteRing } from '../../../supervisor/system/byte-ring.ts';

test('whatever is pushed in whatever pieces, the ring holds the last of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.string({ maxLength: 30 })), (size, pieces) => {
      const ring = new ByteRing(size);
      for (const piece of pieces) ring.push(Buffer.from(piece));
      const all = Buffer.from(pieces.join(''));
      expect(ring.contents()).toEqual(all.subarray(Math.max(0, all.length - size)));
      expect(ring.isFull).toBe(all.length >= size);
    }),
    { seed: 1 },
  );
});
