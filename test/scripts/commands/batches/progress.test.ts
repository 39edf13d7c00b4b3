import { expect, test } from 'vitest';
import type { BatchObject } from '../../../../gateway/batches/batch-object.ts';
import { duration, Progress } from '../../../../scripts/commands/batches/progress.ts';

const at = (status: string, completed: number, failed = 0, total = 1_000) =>
  ({ status, request_counts: { total, completed, failed } }) as BatchObject;

test('rate and time left are those of the last minute', () => {
  const progress = new Progress();
  expect(progress.text(at('validating', 0, 0, 0))).toBe('validating');
  progress.see(at('in_progress', 0), 0);
  expect(progress.text(at('in_progress', 0))).toBe('in_progress · 0 of 1000 lines (0 %)');
  progress.see(at('in_progress', 20), 10_000);
  expect(progress.text(at('in_progress', 20))).toBe('in_progress · 20 of 1000 lines (2 %) · 2.0 lines/s · about 8 min left');
  for (let second = 11; second <= 80; second++) progress.see(at('in_progress', 20 + 10 * (second - 10)), second * 1_000);
  expect(progress.text(at('in_progress', 710, 10))).toBe(
    'in_progress · 720 of 1000 lines (72 %) · 10 failed · 10 lines/s · about 28 s left',
  );
  expect(progress.text(at('finalizing', 1_000))).toBe('finalizing · 1000 of 1000 lines (100 %)');
});

test('nothing is promised where nothing moves, or what was seen went back', () => {
  const progress = new Progress();
  progress.see(at('in_progress', 5), 0);
  progress.see(at('in_progress', 5), 60_000);
  expect(progress.rate).toBeNull();
  progress.see(at('in_progress', 3), 60_000);
  expect(progress.rate).toBeNull();
});

test.each([
  [119, '119 s'],
  [120, '2 min'],
  [7_140, '119 min'],
  [7_200, '2 h'],
  [12_000, '3 h 20 min'],
])('%i seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));
