import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { sinceOf } from '../../../gateway/usage/since.ts';
import { usageQuestion, usageReport } from '../../../gateway/usage/usage-report.ts';

const NOW = Date.UTC(2026, 10, 29, 15, 43);

describe('a moment', () => {
  test.each([
    ['30m', NOW - 1_800_000],
    ['24h', NOW - 86_400_000],
    ['7d', NOW - 7 * 86_400_000],
    ['2026-11-28', Date.UTC(2026, 10, 28)],
    ['2026-11-28T10:00:00Z', Date.UTC(2026, 10, 28, 10)],
    ['2026-11-28t10:00:00.5z', Date.UTC(2026, 10, 28, 10, 0, 0, 500)],
    ['2026-11-28T10:00:00+02:00', Date.UTC(2026, 10, 28, 8)],
    // As a query without escapes brings it.
    ['2026-11-28T10:00:00 02:00', Date.UTC(2026, 10, 28, 8)],
  ])('%s', (text, at) => expect(sinceOf(text, NOW)).toBe(at));

  test.each([
    '',
    '24',
    'h',
    '-3h',
    '3w',
    '1e9d',
    '2026',
    '2026-13-01',
    '2026-02-30',
    '2027-02-29T10:00:00Z',
    '2026-11-28T10:00:00',
    'yesterday',
    '99999999d',
    "1h'; DROP",
  ])('%j is none', (text) => expect(sinceOf(text, NOW)).toBeNull());
});

test('a question without a time is of the last day, in whole hours', () => {
  expect(usageQuestion({}, NOW)).toEqual({ since: Date.UTC(2026, 10, 28, 15), key: null });
  expect(usageQuestion({ since: '1h', key: 'app-a' }, NOW)).toEqual({ since: Date.UTC(2026, 10, 29, 14), key: 'app-a' });
  expect(() => usageQuestion({ since: 'soon' }, NOW)).toThrow(GatewayError);
  expect(() => usageQuestion({ until: '1h' }, NOW)).toThrow(/since and key/);
  expect(() => usageQuestion({ since: '1h', key: "a' OR 1" }, NOW)).toThrow(GatewayError);
});

test('what is not written yet counts with what is, as far as it was asked for', () => {
  const sum = { key: 'a', model: 'm', requests: 1, promptTokens: 10, cachedTokens: 4, completionTokens: 5 };
  const hour = NOW / 3_600_000;
  const unwritten = [
    { ...sum, hour: Math.floor(hour) },
    { ...sum, hour: Math.floor(hour), key: 'b', promptTokens: 100 },
    { ...sum, hour: 1 },
  ];
  const report = usageReport(usageQuestion({ since: '1h' }, NOW), [sum], unwritten, NOW);
  expect(report).toEqual({
    since: '2026-11-29T14:00:00.000Z',
    until: '2026-11-29T15:43:00.000Z',
    problem: null,
    usage: [
      { key: 'b', model: 'm', requests: 1, prompt_tokens: 100, cached_tokens: 4, completion_tokens: 5 },
      { key: 'a', model: 'm', requests: 2, prompt_tokens: 20, cached_tokens: 8, completion_tokens: 10 },
    ],
  });
  const failure = { ok: false, trouble: 'corrupt', message: 'it is no database' } as const;
  const partial = usageReport(usageQuestion({ since: '1h', key: 'a' }, NOW), failure, unwritten, NOW);
  expect(partial.usage).toHaveLength(1);
  expect(partial.problem).toBe('Only what was used since the database could be written last: it is no database.');
});
