import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lease } from '../../gateway/core/lease.ts';

test('however often and in whatever order leases are released, each is given back exactly once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(), { maxLength: 200 }), (count, releases) => {
      const givenBack = new Array<number>(count).fill(0);
      let inUse = count;
      const leases = givenBack.map((_, i) => {
        return new Lease(() => {
          givenBack[i]!++;
          inUse--;
        });
      });
      const released = new Set<number>();
      for (const release of releases) {
        const i = release % count;
        leases[i]!.release();
        released.add(i);
        expect(inUse).toBe(count - released.size);
        for (const [j, lease] of leases.entries()) expect(lease.released).toBe(released.has(j));
      }
      expect(givenBack).toEqual(givenBack.map((_, i) => (released.has(i) ? 1 : 0)));
    }),
  );
});

test('a lease that is released while it is being given back is given back once', () => {
  let givenBack = 0;
  const lease: Lease = new Lease(() => {
    givenBack++;
    lease.release();
  });
  lease.release();
  expect(givenBack).toBe(1);
});

test('a lease whose giving back fails counts as released', () => {
  let tries = 0;
  const lease = new Lease(() => {
    tries++;
    throw new Error('broken');
  });
  expect(() => lease.release()).toThrow('broken');
  lease.release();
  expect([tries, lease.released]).toEqual([1, true]);
});
