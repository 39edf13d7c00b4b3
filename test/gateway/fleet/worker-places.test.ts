import { expect, test } from 'vitest';
import { WorkerPlaces } from '../../../gateway/fleet/worker-places.ts';

const TOTAL = 40;

/** A gateway that has met no other in a store which nobody else reaches, and what it holds after so many ms there. */
function heldAfter(ms: number, othersCalls: number): number {
  const places = new WorkerPlaces({ id: 'a', worker: 'w' });
  const looked = (at: number): void => {
    places.look({ at, seen: othersCalls, own: 0, tookMs: 5 }, 2);
    places.needs({ total: TOTAL, first: TOTAL, rest: 0, inUse: 0, kept: 0 });
  };
  places.saying();
  places.missed();
  looked(0);
  for (let at = 500; at <= ms; at += 500) {
    looked(at);
    const { ask, held, ...said } = places.saying();
    const granted = Math.min(ask, TOTAL - held);
    places.heard({ granted, standings: [{ ...said, id: 'a', held: held + granted, servedAt: 0, isGone: false }] }, at);
  }
  return places.held;
}

test('calls of others that were seen while the store was away are theirs, also where these do not reach it for long', () => {
  expect(heldAfter(1_000, 25)).toBeLessThanOrEqual(TOTAL - 25);
  expect(heldAfter(10_000, 25)).toBe(TOTAL - 25);
});

test('where nobody else was seen it has all places', () => {
  expect(heldAfter(1_000, 0)).toBe(TOTAL);
});
