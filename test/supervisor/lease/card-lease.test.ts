import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CardLease, LeaseBook, LeaseWish } from '../../../supervisor/lease/card-lease.ts';
import {
  ask,
  grant,
  heldUpMs,
  nextEndMs,
  NO_LEASES,
  overBy,
  promisedLeftMs,
  resumed,
  without,
} from '../../../supervisor/lease/card-lease.ts';

const MINUTE = 60_000;
const WISH: LeaseWish = {
  ...{ id: 'one', gpuUuid: 'GPU-a', holder: 'render', isNamed: true },
  ...{ lengthMs: 30 * MINUTE, graceMs: 0, lapseMs: null },
};

/** The book after somebody was given what they asked for. */
function book(wish: LeaseWish, nowMs = 0): LeaseBook {
  const answer = ask(NO_LEASES, wish, nowMs);
  if (answer.kind !== 'new') throw new Error(answer.kind);
  return grant(answer.book, answer.lease, nowMs);
}

function leaseIn(of: LeaseBook): CardLease {
  return of.get('GPU-a')!;
}

describe('a lease', () => {
  test('begins when the card is free, and is over when its time is', () => {
    const asked = ask(NO_LEASES, WISH, 0);
    if (asked.kind !== 'new') return expect.fail();
    // However long its workers take to leave, nobody loses time by it.
    expect(nextEndMs(asked.book)).toBe(Infinity);
    expect(overBy(asked.lease, 31 * MINUTE)).toBeNull();
    const lent = grant(asked.book, asked.lease, MINUTE);
    expect(nextEndMs(lent)).toBe(31 * MINUTE);
    expect(overBy(leaseIn(lent), 31 * MINUTE - 1)).toBeNull();
    expect(overBy(leaseIn(lent), 31 * MINUTE)).toBe('time');
    expect(grant(lent, asked.lease, 5 * MINUTE)).toBe(lent);
  });

  test('is one a card: somebody else is told who has it, and another card is free', () => {
    const held = book(WISH);
    expect(ask(held, { ...WISH, id: 'two', holder: 'game' }, 0)).toEqual({ kind: 'taken', by: leaseIn(held) });
    expect(ask(held, { ...WISH, id: 'two', holder: 'game', gpuUuid: 'GPU-b' }, 0)).toMatchObject({ kind: 'new' });
    expect(ask(without(held, 'GPU-a'), { ...WISH, id: 'two' }, 0)).toMatchObject({ kind: 'new' });
  });

  test('is made longer, or shorter, by whoever knows its id, or goes by the name with no id on either side', () => {
    const held = book(WISH);
    const longer = ask(held, { ...WISH, id: 'other', lengthMs: 60 * MINUTE }, 10 * MINUTE);
    expect(longer).toMatchObject({ kind: 'renewed', lease: { id: 'one', state: 'lent', endsAtMs: 70 * MINUTE } });
    expect(ask(held, { ...WISH, holder: 'x', lengthMs: MINUTE }, 10 * MINUTE)).toMatchObject({ lease: { endsAtMs: 11 * MINUTE } });
  });

  test.each([
    ['both bring an id of their own, as two that run a program of one name', false, false],
    ['the second brings an id', true, false],
    ['the first has brought one', false, true],
  ])('is not shared with another of its name where %s', (_, isFirstNamed, isSecondNamed) => {
    const asked = ask(NO_LEASES, { ...WISH, isNamed: isFirstNamed }, 0);
    if (asked.kind !== 'new') return expect.fail();
    const second = { ...WISH, id: 'two', isNamed: isSecondNamed, lengthMs: MINUTE };
    expect(ask(asked.book, second, 0)).toEqual({ kind: 'taken', by: asked.lease });
    const lent = grant(asked.book, asked.lease, MINUTE);
    expect(ask(lent, second, MINUTE)).toEqual({ kind: 'taken', by: leaseIn(lent) });
    // Its own id is proof all the same.
    expect(ask(lent, { ...second, id: 'one' }, MINUTE)).toMatchObject({ kind: 'renewed', lease: { endsAtMs: 2 * MINUTE } });
  });

  test('is over a grace after what was promised, also when it is made longer', () => {
    const held = book({ ...WISH, lengthMs: 30 * MINUTE + 15_000, graceMs: 15_000 });
    expect(promisedLeftMs(leaseIn(held), 10 * MINUTE)).toBe(20 * MINUTE);
    expect(nextEndMs(held)).toBe(30 * MINUTE + 15_000);
    const sign = ask(held, { ...WISH, lengthMs: null }, 10 * MINUTE);
    expect('lease' in sign && promisedLeftMs(sign.lease, 10 * MINUTE)).toBe(20 * MINUTE);
    const longer = ask(held, { ...WISH, lengthMs: 40 * MINUTE, graceMs: 5_000 }, 10 * MINUTE);
    expect('lease' in longer && promisedLeftMs(longer.lease, 10 * MINUTE)).toBe(40 * MINUTE - 5_000);
  });

  test('lapses when its holder is not heard of, also while it is prepared, and a sign of life makes it no longer', () => {
    const kept = book({ ...WISH, lapseMs: 30_000 });
    expect(nextEndMs(kept)).toBe(30_000);
    expect(overBy(leaseIn(kept), 30_000)).toBe('lapsed');
    const sign = ask(kept, { ...WISH, lengthMs: null, lapseMs: null }, 29_000);
    if (sign.kind !== 'renewed') return expect.fail();
    expect(sign.lease).toMatchObject({ endsAtMs: 30 * MINUTE, lapseMs: 30_000 });
    expect(overBy(sign.lease, 58_999)).toBeNull();
    expect(overBy({ ...sign.lease, state: 'preparing' }, 59_000)).toBe('lapsed');
    // By its name alone somebody else could be meant.
    expect(ask(kept, { ...WISH, id: 'two', lengthMs: null }, 0)).toEqual({ kind: 'gone' });
    expect(ask(NO_LEASES, { ...WISH, lengthMs: null }, 0)).toEqual({ kind: 'gone' });
  });

  test('holds up starts on its card until its end, and on all cards of a worker the longest of them', () => {
    const held = book(WISH);
    expect(heldUpMs(held, ['GPU-a', 'GPU-b'], 10 * MINUTE)).toBe(20 * MINUTE);
    expect(heldUpMs(held, ['GPU-b'], 0)).toBe(0);
    expect(heldUpMs(held, [], 0)).toBe(0);
    expect(heldUpMs(held, ['GPU-a'], 40 * MINUTE)).toBe(0);
  });

  test('that an earlier supervisor has left goes on to its end and no longer, whatever was done to the clocks', () => {
    const lease = leaseIn(book(WISH));
    const kept = { leftMs: 20 * MINUTE, untilWallMs: 1_000_000 + 20 * MINUTE };
    const at = (wallMs: number) => resumed(lease, kept, { nowMs: 5, wallMs })?.endsAtMs ?? null;
    expect(at(1_000_000)).toBe(5 + 20 * MINUTE);
    expect(at(1_000_000 + 19 * MINUTE)).toBe(5 + MINUTE);
    expect(at(1_000_000 + 20 * MINUTE)).toBeNull();
    // Set back by a year.
    expect(at(1_000_000 - 365 * 1440 * MINUTE)).toBe(5 + 20 * MINUTE);
    // Its holder has the time of a lapse to be heard of again; one that was prepared has what it would have had, and no more.
    expect(resumed({ ...lease, lapseMs: 30_000 }, kept, { nowMs: 5, wallMs: 1_000_000 })).toMatchObject({ heardAtMs: 5 });
    expect(resumed({ ...lease, state: 'preparing' }, kept, { nowMs: 5, wallMs: 0 })).toMatchObject({ lengthMs: 20 * MINUTE });
    expect(resumed({ ...lease, state: 'preparing' }, { ...kept, leftMs: 0 }, { nowMs: 5, wallMs: 0 })).toBeNull();
  });
});

test('whatever is asked, no lease outlives the longest time that was asked for since', () => {
  const order = fc.record({
    id: fc.constantFrom('one', 'two'),
    holder: fc.constantFrom('render', 'game'),
    isNamed: fc.boolean(),
    graceMs: fc.constantFrom(0, 15_000),
    lengthMs: fc.option(fc.integer({ min: 1, max: 1440 * MINUTE })),
    lapseMs: fc.option(fc.constantFrom(5_000, 30_000)),
    passMs: fc.integer({ min: 0, max: 100 * MINUTE }),
    isFree: fc.boolean(),
    restartsAtWallMs: fc.option(fc.integer({ min: -1e12, max: 1e12 })),
  });
  fc.assert(
    fc.property(fc.array(order, { maxLength: 30 }), (orders) => {
      let held = NO_LEASES;
      let nowMs = 0;
      let latestEndMs = 0;
      for (const { passMs, isFree, restartsAtWallMs, ...wish } of orders) {
        nowMs += passMs;
        for (const lease of held.values()) if (overBy(lease, nowMs) !== null) held = without(held, lease.gpuUuid);
        const answer = ask(held, { ...wish, gpuUuid: 'GPU-a' }, nowMs);
        if ('book' in answer) held = answer.book;
        if (wish.lengthMs !== null) latestEndMs = Math.max(latestEndMs, nowMs + wish.lengthMs);
        const lease = held.get('GPU-a');
        if (!lease) continue;
        if (isFree) {
          held = grant(held, lease, nowMs);
          if (lease.state === 'preparing') latestEndMs = Math.max(latestEndMs, nowMs + lease.lengthMs);
        }
        const now = held.get('GPU-a')!;
        if (restartsAtWallMs !== null) {
          const left = { leftMs: Math.max(0, now.endsAtMs - nowMs), untilWallMs: 0 };
          const again = resumed(now, left, { nowMs, wallMs: restartsAtWallMs });
          held = again ? new Map([['GPU-a', again]]) : NO_LEASES;
        }
        const last = held.get('GPU-a');
        if (last?.state === 'lent') expect(last.endsAtMs).toBeLessThanOrEqual(latestEndMs);
      }
    }),
    { seed: 20_260_101, numRuns: 300 },
  );
});
