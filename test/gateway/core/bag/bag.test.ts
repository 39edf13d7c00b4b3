import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bag, type Member } from '../../../../gateway/core/bag/bag.ts';

test('a bag holds what a set would, whatever comes and goes', () => {
  const step = fc.record({ adds: fc.boolean(), of: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const all: Member[] = Array.from({ length: 10 }, () => ({ slot: -1 }));
      const [bag, set] = [new Bag<Member>(), new Set<Member>()];
      for (const { adds, of } of steps) {
        const member = all[of]!;
        if (adds && !set.has(member)) {
          bag.add(member);
          set.add(member);
        } else if (!adds) {
          bag.remove(member);
          set.delete(member);
        }
        expect(bag.size).toBe(set.size);
        expect(new Set(bag)).toEqual(set);
        for (const each of all) expect(each.slot >= 0).toBe(set.has(each));
      }
    }),
  );
});

test('what leaves while one looks at all of them disturbs nobody', () => {
  const bag = new Bag<Member>();
  for (let i = 0; i < 5; i++) bag.add({ slot: -1 });
  let seen = 0;
  for (const member of bag) {
    bag.remove(member);
    seen++;
  }
  expect([seen, bag.size]).toEqual([5, 0]);
});

test('the member of another bag stays where it is', () => {
  const [mine, other] = [new Bag<Member>(), new Bag<Member>()];
  const [a, b] = [{ slot: -1 }, { slot: -1 }];
  mine.add(a);
  other.add(b);
  mine.remove(b);
  expect([[...mine], [...other]]).toEqual([[a], [b]]);
});
