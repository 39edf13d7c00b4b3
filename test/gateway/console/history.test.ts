import { describe, expect, test } from 'vitest';
import { columnsOf, History, HISTORY_POINTS } from '../../../gateway/console/history.ts';
import { mergedPoint, mergedPoints, type Point, wholeSeconds } from '../../../gateway/console/point.ts';
import { Spread } from '../../../gateway/console/spread.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const point = (t: number, values: Record<string, number> = {}): Point => ({ t, values });

describe('the history', () => {
  test('keeps fifteen minutes and no more', () => {
    const history = new History();
    for (let t = 0; t < HISTORY_POINTS + 5; t++) history.add(point(t, { requests: t }));
    expect(history.points()).toHaveLength(HISTORY_POINTS);
    expect(columnsOf(history.points())).toMatchObject({ since: 5 });
    expect(columnsOf(history.points()).columns['requests']).toHaveLength(HISTORY_POINTS);
  });

  test('a second that nobody took down is empty, as is what was not there yet', () => {
    expect(columnsOf([point(10, { a: 1 }), point(13, { a: 4, b: 2 })])).toEqual({
      since: 10,
      columns: { a: [1, null, null, 4], b: [null, null, null, 2] },
    });
    expect(columnsOf([])).toEqual({ since: 0, columns: {} });
  });
});

describe('several processes', () => {
  test('add up what each counts, weigh medians by calls, and say once what all see alike', () => {
    const one = point(1, { requests: 2, first_p50: 100, first_count: 3, 'kv:w': 0.5, 'refused:queue_full': 1 });
    const other = point(1, { requests: 3, first_p50: 200, first_count: 1, 'kv:w': 0.5 });
    expect(mergedPoint([one, other]).values).toEqual({
      requests: 5,
      first_p50: 125,
      first_count: 4,
      'kv:w': 0.5,
      'refused:queue_full': 1,
    });
  });

  test('have one history, in its order', () => {
    const merged = mergedPoints([
      [point(1, { a: 1 }), point(2, { a: 1 })],
      [point(2, { a: 5 }), point(3, { a: 7 })],
    ]);
    expect(merged).toEqual([point(1, { a: 1 }), point(2, { a: 6 }), point(3, { a: 7 })]);
  });

  test('tell of a second when all of them have; one that has none yet keeps nobody waiting', () => {
    const one = [point(1, { a: 1 }), point(2, { a: 1 }), point(3, { a: 1 })];
    expect(wholeSeconds([one, [point(2, { a: 5 })], []])).toEqual([point(1, { a: 1 }), point(2, { a: 6 })]);
    expect(wholeSeconds([[], []])).toEqual([]);
  });
});

test('a spread is of the last half minute', async () => {
  const clock = createFakeClock();
  const spread = new Spread(clock);
  expect(spread.read()).toBeNull();
  for (let i = 1; i <= 100; i++) spread.add(i, clock.now());
  expect(spread.read()).toEqual({ p50: 51, p95: 96, count: 100 });
  await clock.advance(29_000);
  spread.add(7, clock.now());
  await clock.advance(2_000);
  expect(spread.read()).toEqual({ p50: 7, p95: 7, count: 1 });
});
