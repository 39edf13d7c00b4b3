import { expect, test } from 'vitest';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import { readCanaryOrder } from '../../../gateway/canary/order.ts';

test('a start has its defaults', () => {
  const { limits, canary } = presetCriteria('team');
  expect(readCanaryOrder({ action: 'start' })).toEqual({
    ...{ action: 'start', group: 'canary', steps: [10, 50, 100], stepSeconds: 60 },
    criteria: { limits, canary },
  });
  expect(readCanaryOrder({ action: 'start', criteria: { canary: { min_calls: 5 } } })).toMatchObject({
    criteria: { canary: { min_calls: 5, p95_ttft_ratio: 1.2 }, limits: { error_rate: 0.001 } },
  });
  expect(readCanaryOrder({ action: 'abort', group: 7 })).toEqual({ action: 'abort' });
});

test.each([
  [null, /"action"/],
  [{ action: 'stop' }, /"action"/],
  [{ action: 'start', group: 'Main!' }, /"group"/],
  [{ action: 'start', steps: [] }, /"steps"/],
  [{ action: 'start', steps: [50, 10] }, /"steps"/],
  [{ action: 'start', steps: [0, 10] }, /"steps"/],
  [{ action: 'start', steps: [10, 101] }, /"steps"/],
  [{ action: 'start', step_seconds: 0 }, /"step_seconds"/],
  [{ action: 'start', stepSeconds: 5 }, /"stepSeconds" is not known/],
  [{ action: 'start', criteria: 'home' }, /"criteria" is personal or team/],
  [{ action: 'start', criteria: { canary: { min_cals: 5 } } }, /min_cals/],
])('%j is refused', (body, message) => {
  expect(readCanaryOrder(body)).toMatch(message);
});
