import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANONYMOUS, type KeyHolder, type Limits } from '../../../../gateway/core/principal.ts';
import { leavingRoom } from '../../../../gateway/policies/limits/leaving-room.ts';
import { Limiter } from '../../../../gateway/policies/limits/limiter.ts';
import { limitsBy } from '../../../../gateway/policies/limits/limits.ts';

const all = (limit: number | null): Limits => ({ requests_per_minute: limit, tokens_per_minute: limit, concurrent_requests: limit });

test.each([
  [null, null],
  [0, 0],
  [1, 1],
  [2, 1],
  [9, 8],
  [10, 9],
  [11, 9],
  [60, 54],
  [100_000, 90_000],
])('of %d those who leave room may have %d', (limit, held) => expect(leavingRoom(all(limit))).toEqual(all(held)));

const holder = (isBatch: boolean): KeyHolder => ({
  ...{ kind: 'key', name: 'app', isBatch, isAdmin: false, limits: all(10), budgets: null, patienceMs: 0, mayUse: () => true },
});

test('calls of the lower class leave room to the others of their key or address, unless that has no others', () => {
  const limitsOf = limitsBy({ limitsOf: (principal) => (principal.kind === 'key' ? principal.limits : all(2)) });
  const [key, batchKey] = [holder(false), holder(true)];
  expect(limitsOf(key, 'interactive')?.held).toBeUndefined();
  expect(limitsOf(key, 'batch')).toMatchObject({ subject: limitsOf(key, 'interactive')!.subject, limits: all(10), held: all(9) });
  expect(limitsOf(batchKey, 'batch')?.held).toBeUndefined();
  expect(limitsOf({ ...ANONYMOUS, address: '10.0.0.1' }, 'batch')?.held).toEqual(all(1));
  // Of a key it is made once.
  for (const priority of ['interactive', 'batch'] as const) expect(limitsOf(key, priority)).toBe(limitsOf(key, priority));
});

test('figures tell of the whole limit, whoever asked last', () => {
  const limiter = new Limiter();
  const limitsOf = limitsBy({ limitsOf: () => all(10) });
  limiter.take(limitsOf(holder(false), 'interactive')!, 2, 0);
  limiter.take(limitsOf(holder(false), 'batch')!, 3, 0);
  expect([...limiter.used(0)].map(({ limit, share }) => [limit, share])).toEqual([
    ['requests', 0.2],
    ['tokens', 0.5],
    ['concurrent', 0.2],
  ]);
});

test('what several processes leave and have of a limit together is never more than there is', () => {
  const cases = fc.record({ limit: fc.integer({ min: 1, max: 200 }), processes: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(cases, ({ limit, processes }) => {
      const app = { subject: 'app', isAddress: false, name: 'app', patienceMs: 0, limits: { ...all(null), requests_per_minute: limit } };
      const line = { ...app, held: leavingRoom(app.limits) };
      const taken = (limiters: readonly Limiter[], limited: typeof app): number =>
        limiters.reduce((sum, limiter) => {
          let count = 0;
          while (limiter.take(limited, 0, 0).kind === 'taken') count++;
          return sum + count;
        }, 0);
      const limiters = Array.from({ length: processes }, (_, index) => new Limiter(processes, index));
      const shares = limiters.map((_, index) => Math.floor(limit / processes) + (index < limit % processes ? 1 : 0));
      const lines = taken(limiters, line);
      expect(lines).toBeLessThanOrEqual(line.held.requests_per_minute!);
      expect(lines).toBeGreaterThan(0);
      // A call may come to any of them.
      const left = limiters.map((limiter) => taken([limiter], app));
      for (const [index, share] of shares.entries()) if (share > 1) expect(left[index]).toBeGreaterThan(0);
      expect(lines + left.reduce((sum, count) => sum + count, 0)).toBe(limit);
    }),
  );
});
