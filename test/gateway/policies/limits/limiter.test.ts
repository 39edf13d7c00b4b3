import { describe, expect, test } from 'vitest';
import type { Limits } from '../../../../gateway/core/principal.ts';
import { duration } from '../../../../gateway/policies/limits/limit-headers.ts';
import { Limiter } from '../../../../gateway/policies/limits/limiter.ts';

const limited = (limits: Partial<Limits>, name = 'app', isAddress = false) => ({
  subject: name,
  name,
  isAddress,
  patienceMs: 0,
  limits: { requests_per_minute: null, tokens_per_minute: null, concurrent_requests: null, ...limits },
});

const told = (taking: ReturnType<Limiter['take']>) => (taking.kind === 'taken' ? 'taken' : `${taking.limit} ${taking.waitMs}`);

describe('limits', () => {
  test('of requests, tokens and places are each kept, all or nothing', () => {
    const limiter = new Limiter();
    const app = limited({ requests_per_minute: 3, tokens_per_minute: 100, concurrent_requests: 2 });
    const first = limiter.take(app, 60, 0);
    expect(told(first)).toBe('taken');
    expect(told(limiter.take(app, 60, 10))).toBe('tokens 59990');
    expect(told(limiter.take(app, 101, 10))).toBe('tokens Infinity');
    const second = limiter.take(app, 40, 20);
    expect(told(second)).toBe('taken');
    expect(told(limiter.take(app, 0, 30))).toBe('concurrent 1000');
    if (first.kind !== 'taken') throw new Error('not taken');
    first.hold.settle(10, 40);
    // Only once.
    first.hold.settle(0, 41);
    expect(told(limiter.take(app, 50, 50))).toBe('taken');
    // What is taken within a second counts as taken at its last moment.
    expect(told(limiter.take(app, 0, 60))).toBe('requests 59990');
  });

  test('of one are not those of another', () => {
    const limiter = new Limiter();
    expect(told(limiter.take(limited({ requests_per_minute: 1 }, 'a'), 0, 0))).toBe('taken');
    expect(told(limiter.take(limited({ requests_per_minute: 1 }, 'b'), 0, 0))).toBe('taken');
    expect(told(limiter.take(limited({ requests_per_minute: 1 }, 'a'), 0, 0))).toBe('requests 60000');
  });

  test('hold from the moment at which they are changed, for what was before', () => {
    const limiter = new Limiter();
    for (let i = 0; i < 5; i++) expect(told(limiter.take(limited({ requests_per_minute: 100 }), 7, 0))).toBe('taken');
    expect(told(limiter.take(limited({ requests_per_minute: 4 }), 0, 1_000))).toBe('requests 59000');
    expect(told(limiter.take(limited({ tokens_per_minute: 40 }), 6, 1_000))).toBe('tokens 59000');
    expect(told(limiter.take(limited({ requests_per_minute: 6 }), 0, 1_000))).toBe('taken');
  });

  test('of 0 let nothing through', () => {
    const limiter = new Limiter();
    expect(told(limiter.take(limited({ requests_per_minute: 0 }), 0, 0))).toBe('requests Infinity');
    expect(told(limiter.take(limited({ tokens_per_minute: 0 }), 1, 0))).toBe('tokens Infinity');
    expect(told(limiter.take(limited({ concurrent_requests: 0 }), 0, 0))).toBe('concurrent Infinity');
  });

  test('are shared out among processes, so that all of them together let no more through', () => {
    const both = [new Limiter(2, 0), new Limiter(2, 1)];
    const app = limited({ requests_per_minute: 5 });
    const taken = both.map(
      (limiter) => Array.from({ length: 5 }, () => limiter.take(app, 0, 0)).filter(({ kind }) => kind === 'taken').length,
    );
    expect(taken).toEqual([3, 2]);
    // Where one has no share at all, it says when to try another.
    expect(told(new Limiter(8, 7).take(app, 0, 0))).toBe('requests 1000');
    const large = limited({ tokens_per_minute: 1_000 });
    expect(told(new Limiter(2, 1).take(large, 800, 0))).toBe('taken');
    expect(told(new Limiter(2, 1).take(large, 1_001, 0))).toBe('tokens 1000');
  });

  test('count what somebody else has let in, and are divided anew', () => {
    const limiter = new Limiter();
    const app = limited({ requests_per_minute: 6, tokens_per_minute: 60, concurrent_requests: 2 });
    const hold = limiter.note(app, 25, 0);
    expect(told(limiter.take(app, 0, 0))).toBe('taken');
    limiter.divide(2, 1);
    // Of two places one is its own, and both are taken.
    expect(told(limiter.take(app, 0, 0))).toBe('concurrent 1000');
    hold.settle(5, 10);
    expect(told(limiter.take(limited({ tokens_per_minute: 60 }), 26, 10))).toBe('tokens 59990');
    expect(told(limiter.take(limited({ tokens_per_minute: 60 }), 25, 10))).toBe('taken');
    expect(told(limiter.take(limited({ requests_per_minute: 6 }), 0, 20))).toBe('requests 59990');
  });

  test('of more addresses than anyone has are remembered as far as there is room', () => {
    const limiter = new Limiter();
    const of = (i: number) => limited({ requests_per_minute: 1 }, `a${i}`, true);
    for (let i = 0; i < 20_001; i++) limiter.take(of(i), 0, i);
    // Whoever came first has gone for the last, and nobody else has.
    for (const i of [20_000, 10_000, 1]) expect(told(limiter.take(of(i), 0, 20_001))).toMatch(/^requests/);
    expect(told(limiter.take(of(0), 0, 20_001))).toBe('taken');
    // They have no names to be told by.
    expect([...limiter.used(20_001)]).toEqual([]);
  });

  test('stand as the headers say', () => {
    const limiter = new Limiter();
    const app = limited({ requests_per_minute: 10, tokens_per_minute: 1_000 });
    expect(limiter.take(app, 300, 0).standings).toEqual({
      requests: { limit: 10, remaining: 9, resetMs: 60_000 },
      tokens: { limit: 1_000, remaining: 700, resetMs: 60_000 },
    });
    expect([...limiter.used(100)]).toEqual([
      { name: 'app', limit: 'requests', share: 0.1 },
      { name: 'app', limit: 'tokens', share: 0.3 },
    ]);
    expect([...limiter.used(70_000)].filter(({ limit }) => limit !== 'concurrent').every(({ share }) => share === 0)).toBe(true);
  });
});

test.each([
  [0, '0s'],
  [-5, '0s'],
  [0.2, '1ms'],
  [20, '20ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [1_500, '1.5s'],
  [59_999, '59.999s'],
  [60_000, '1m0s'],
  [360_000, '6m0s'],
  [3_600_000, '1h0m0s'],
  [3_661_500, '1h1m1.5s'],
])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text));
