import { describe, expect, test } from 'vitest';
import { answerOf, saysVerbose, type Told } from '../../../../gateway/http/probes/told.ts';

const told: Told = {
  '/livez': { plain: { status: 200, body: { of: 'live' } }, verbose: { status: 200, body: { of: 'live' } } },
  '/readyz': { plain: { status: 503, body: { of: 'ready' } }, verbose: { status: 503, body: { of: 'ready, at length' } } },
  '/startupz': { plain: { status: 200, body: { of: 'start' } }, verbose: { status: 200, body: { of: 'start' } } },
};

describe('a probe is answered with what was told', () => {
  test.each([
    ['/livez', 200, 'live'],
    ['/health', 200, 'live'],
    ['/readyz', 503, 'ready'],
    ['/readyz?verbose', 503, 'ready, at length'],
    ['/readyz?x=1&verbose=1', 503, 'ready, at length'],
    ['/readyz?verbose=0', 503, 'ready'],
    ['/startupz', 200, 'start'],
  ])('%s', (target, status, of) => {
    expect(answerOf(told, 29_999, 30_000, target)).toEqual({ status, body: { of } });
  });

  test.each(['/', '/livez/', '/metrics', '/admin/status', '/readyzz', '*', 'http://a/livez'])('and %s is no probe', (target) => {
    expect(answerOf(told, 0, 30_000, target)).toBeNull();
  });

  test('until the gateway was silent for too long: then it is neither alive nor ready, but has been started', () => {
    for (const target of ['/livez', '/health', '/readyz', '/readyz?verbose']) {
      expect(answerOf(told, 30_000, 30_000, target)).toEqual({ status: 503, body: { status: 'stuck', silent_seconds: 30 } });
    }
    expect(answerOf(told, 30_000, 30_000, '/startupz')?.status).toBe(200);
  });
});

test.each([
  [undefined, false],
  ['', true],
  ['1', true],
  ['0', false],
  ['false', false],
])('verbose=%s is %s', (value, expected) => expect(saysVerbose(value)).toBe(expected));
