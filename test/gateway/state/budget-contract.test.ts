import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Want } from '../../../gateway/core/budget-terms.ts';
import { BUDGET_DRIVERS, type BudgetDriver } from './budget-drivers.ts';

// One rule for budgets, by whomever they are handed out.

const DAY = { subject: 'key app', window: '2026-11-29', endsAt: 86_400_000 };

interface Asked {
  readonly by: string;
  readonly at: number;
  readonly spends?: number;
  readonly held?: number;
  readonly need?: number;
  readonly spare?: number;
  readonly amount?: number;
}

const CASES: readonly (readonly [string, readonly (readonly [Asked, granted: number, spent: number])[]])[] = [
  [
    'what a call needs goes before what is only to be at hand, of which others are left half',
    [
      [{ by: 'a', at: 0, need: 40, spare: 1_000 }, 65, 0],
      [{ by: 'b', at: 1, need: 40 }, 35, 0],
    ],
  ],
  [
    'what was spent is known to all, and counts once for whom it was granted',
    [
      [{ by: 'a', at: 0, need: 60 }, 60, 0],
      [{ by: 'a', at: 1, spends: 25 }, 0, 25],
      [{ by: 'b', at: 2, need: 80 }, 75, 25],
      [{ by: 'b', at: 3, spends: 70 }, 0, 95],
      [{ by: 'a', at: 4, need: 10 }, 5, 95],
    ],
  ],
  [
    'what is held is never taken back, even where there is less than it',
    [
      [{ by: 'a', at: 0, need: 80 }, 80, 0],
      [{ by: 'a', at: 1, held: 80, need: 10, amount: 50 }, 80, 0],
      [{ by: 'b', at: 2, need: 30 }, 20, 0],
      [{ by: 'b', at: 3, spends: 30 }, 0, 30],
      [{ by: 'a', at: 4, held: 80, need: 1 }, 80, 30],
    ],
  ],
  [
    'nobody has any of the last tenth at hand',
    [
      [{ by: 'a', at: 0, spends: 89 }, 0, 89],
      [{ by: 'a', at: 1, spare: 50 }, 0, 89],
      [{ by: 'b', at: 2, need: 2, spare: 50 }, 2, 89],
      [{ by: 'a', at: 3, need: 9 }, 9, 89],
      [{ by: 'b', at: 4, held: 2, need: 1 }, 2, 89],
    ],
  ],
  [
    'what is at hand is half of what there is before the last tenth',
    [
      [{ by: 'a', at: 0, spends: 79 }, 0, 79],
      [{ by: 'a', at: 1, spare: 50 }, 5, 79],
      [{ by: 'b', at: 2, spare: 50 }, 3, 79],
    ],
  ],
  [
    'what is not wanted any more is free at once, and what a dead process held after a lease',
    [
      [{ by: 'a', at: 0, need: 100 }, 100, 0],
      [{ by: 'b', at: 1_000, need: 50 }, 0, 0],
      [{ by: 'a', at: 2_000, held: 60 }, 60, 0],
      [{ by: 'b', at: 16_999, need: 50 }, 40, 0],
      [{ by: 'b', at: 17_000, held: 40, need: 50 }, 90, 0],
    ],
  ],
  [
    'who lives keeps what he has for as long as he is heard of',
    [
      [{ by: 'a', at: 0, need: 100 }, 100, 0],
      [{ by: 'a', at: 14_000, held: 100 }, 100, 0],
      [{ by: 'b', at: 28_000, need: 1 }, 0, 0],
    ],
  ],
  [
    'what is spent beyond the budget is known, and nothing is left then',
    [
      [{ by: 'a', at: 0, spends: 130 }, 0, 130],
      [{ by: 'b', at: 0, need: 1, spare: 9 }, 0, 130],
      [{ by: 'b', at: 0, need: 10, amount: 200 }, 10, 130],
    ],
  ],
];

describe.each(BUDGET_DRIVERS)('budgets handed out by $name', ({ missing, open }) => {
  let driver: BudgetDriver;

  beforeAll(async () => {
    if (missing === null) driver = await open();
  }, 60_000);

  afterAll(() => driver?.[Symbol.asyncDispose]());

  test.skipIf(missing !== null).each(CASES)('%s', async (_, steps) => {
    const exchange = await driver.fresh();
    for (const [{ by, at, spends = 0, held = 0, need = 0, spare = 0, amount = 100 }, granted, spent] of steps) {
      const said = spends === 0 ? [] : [{ ...DAY, tokens: spends }];
      const [grant] = await exchange(by, said, [{ ...DAY, amount, held, need, spare, known: 0 }], at);
      expect(grant).toEqual({ subject: DAY.subject, window: DAY.window, granted, spent });
    }
  });

  test.skipIf(missing !== null)('one does not know of the other, and all of many are answered, in their order', async () => {
    const exchange = await driver.fresh();
    const wants: Want[] = Array.from({ length: 250 }, (_, i) => {
      return { ...DAY, subject: `key ${i}`, amount: 1_000, held: 0, need: i, spare: 0, known: 0 };
    });
    const grants = await exchange('a', [], wants, 0);
    expect(grants.map(({ subject, granted }) => [subject, granted])).toEqual(wants.map(({ subject, need }) => [subject, need]));
  });
});

const drivers = BUDGET_DRIVERS.filter(({ missing }) => missing === null);

test.skipIf(drivers.length < 2)('all of them say the same, whatever is asked', async () => {
  const open = await Promise.all(drivers.map((kind) => kind.open()));
  const tokens = fc.oneof(fc.constant(0), fc.nat(60), fc.nat(1_500));
  const asked = fc.record({
    by: fc.constantFrom('a', 'b', 'c'),
    passed: fc.constantFrom(0, 1, 700, 5_000, 14_999, 15_000),
    spends: tokens,
    held: tokens,
    need: tokens,
    spare: tokens,
    amount: fc.constantFrom(0, 95, 1_000, 1_000_000_000_000),
  });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { maxLength: 25 }), async (steps) => {
        const exchanges = await Promise.all(open.map((driver) => driver.fresh()));
        let at = 0;
        for (const { by, passed, spends, ...want } of steps) {
          at += passed;
          const said = spends === 0 ? [] : [{ ...DAY, tokens: spends }];
          const [one, ...others] = await Promise.all(exchanges.map((exchange) => exchange(by, said, [{ ...DAY, ...want, known: 0 }], at)));
          for (const other of others) expect(other).toEqual(one);
        }
      }),
      { numRuns: 60 },
    );
  } finally {
    for (const driver of open) await driver[Symbol.asyncDispose]();
  }
});
