import { describe, expect, test } from 'vitest';
import { allowance, toLoad } from '../../../../gateway/batches/runner/lane.ts';
import { chosen, Turns } from '../../../../gateway/batches/runner/turns.ts';
import type { BatchRow } from '../../../../gateway/state/store/batch-terms.ts';

describe('how many lines may run', () => {
  const room = { spare: 10, placed: 4, share: 1, most: Infinity, asksInLine: false };

  test.each([
    ['all that interactive calls leave free', room, 14],
    ['a share of it', { ...room, share: 0.5 }, 7],
    ['one at least where there is any', { ...room, spare: 1, placed: 0, share: 0.1 }, 1],
    ['none where there is no room', { ...room, spare: -2, placed: 2 }, 0],
    ['as many as interactive calls put up with', { ...room, most: 3 }, 3],
    ['one more that waits in line, where places are shared', { ...room, asksInLine: true }, 15],
  ])('%s', (_, asked, most) => expect(allowance(asked)).toBe(most));
});

test('a model that has to be loaded is asked for when those that are there have nothing to do, or after ten minutes', () => {
  const lanes = [
    { model: 'there', unservedSince: null },
    { model: 'late', unservedSince: 5_000 },
    { model: 'first', unservedSince: 1_000 },
  ];
  expect(toLoad(lanes, false, 6_000)).toBe('first');
  expect(toLoad(lanes, true, 600_999)).toBeNull();
  expect(toLoad(lanes, true, 601_001)).toBe('first');
});

test('owners take turns, and so do the batches of one', () => {
  const rows = ['a1', 'a2', 'a3', 'b1', 'c1'].map((id) => ({ id, owner: id[0]! }) as BatchRow);
  expect(chosen(rows, 4).map(({ id }) => id)).toEqual(['a1', 'b1', 'c1', 'a2']);
  expect(chosen(rows, 9)).toHaveLength(5);
  const works = rows.slice(1, 4).map(({ id, owner }) => ({ id, owner, servedAt: 0 }));
  const turns = new Turns();
  expect(Array.from({ length: 6 }, () => turns.next(works)!.id)).toEqual(['a2', 'b1', 'a3', 'b1', 'a2', 'b1']);
});
