import { expect, test } from 'vitest';
import { Calendar, windowsAt } from '../../../../gateway/policies/budgets/calendar.ts';

test.each([
  ['2026-11-29T00:00:00.000Z', '2026-11-29', '2026-11-30T00:00:00.000Z', '2026-11', '2026-12-01T00:00:00.000Z'],
  ['2026-12-31T23:59:59.999Z', '2026-12-31', '2027-01-01T00:00:00.000Z', '2026-12', '2027-01-01T00:00:00.000Z'],
  ['2028-02-29T12:00:00.000Z', '2028-02-29', '2028-03-01T00:00:00.000Z', '2028-02', '2028-03-01T00:00:00.000Z'],
])('%s lies in the day %s and the month %s', (at, day, dayEnd, month, monthEnd) => {
  const windows = windowsAt(Date.parse(at));
  expect(windows.day).toMatchObject({ limit: 'day', name: day, endsAt: Date.parse(dayEnd) });
  expect(windows.month).toMatchObject({ limit: 'month', name: month, endsAt: Date.parse(monthEnd) });
});

test('a calendar says the same, wherever the clock steps', () => {
  const calendar = new Calendar();
  for (const at of ['2026-11-29T23:59:59.999Z', '2026-11-30T00:00:00.000Z', '2026-11-29T12:00:00.000Z', '2025-01-01T00:00:00.000Z']) {
    expect(calendar.at(Date.parse(at))).toEqual(windowsAt(Date.parse(at)));
  }
});
