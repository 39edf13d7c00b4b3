import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Attempt, newAttempt } from '../../../../gateway/core/attempt.ts';
import type { Call, Peek } from '../../../../gateway/core/call.ts';
import { sleep } from '../../../../gateway/core/clock.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Limits } from '../../../../gateway/core/principal.ts';
import type { Reply } from '../../../../gateway/core/reply.ts';
import { Limiter, type Taker } from '../../../../gateway/policies/limits/limiter.ts';
import { limitLayer } from '../../../../gateway/policies/limits/limits.ts';
import { TokenEstimates } from '../../../../gateway/policies/limits/token-estimate.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { jsonReply } from '../../../support/json-reply.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';

/** A layer whose calls run until they are told to end. `lateMs`: who counts answers so much later. */
function scene(limits: Partial<Limits>, patienceMs = 0, lateMs: number | null = null) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const limiter = new Limiter();
  const limited = {
    subject: 'key app',
    isAddress: false,
    name: 'app',
    patienceMs,
    limits: { requests_per_minute: null, tokens_per_minute: null, concurrent_requests: null, ...limits },
  };
  const gone = { is: false };
  const running: { call: Call; end: (used: number | null) => void; fail: () => void }[] = [];
  const later: Taker = {
    async take(...asked) {
      const taking = limiter.take(...asked);
      await sleep(clock, lateMs ?? 0);
      return taking;
    },
  };
  const taker = lateMs === null ? limiter : later;
  const handler = limitLayer({ clock, events, limiter: taker, limitsOf: () => limited, isGone: () => gone.is })(
    (call) =>
      new Promise<Reply>((resolve, reject) => {
        const reply = jsonReply(200, {});
        running.push({
          call,
          end(used) {
            if (used !== null) call.attempts.push({ ...newAttempt('w0', null), inputTokens: used, outputTokens: 0 });
            resolve(reply);
            void Promise.resolve().then(() => reply.ended.settle({ kind: 'complete', status: 200 }));
          },
          fail: () => reject(new GatewayError('upstream_disconnected', 'gone')),
        });
      }),
  );
  const outcomes: string[] = [];
  const send = (call = fakeCall()): Call => {
    handler(call).then(
      () => outcomes.push('replied'),
      (error: GatewayError) => outcomes.push(error.kind),
    );
    return call;
  };
  const shares = () => Object.fromEntries([...limiter.used(clock.now())].map(({ limit, share }) => [limit, share]));
  return { clock, events, running, outcomes, send, shares, limited, gone };
}

describe('a key that is refused', () => {
  test('is refused at once, and nothing is taken for it', async () => {
    const { clock, events, running, outcomes, send, shares } = scene({ concurrent_requests: 1, requests_per_minute: 10 });
    send();
    const second = send();
    await clock.advance(0);
    expect([running.length, outcomes]).toEqual([1, ['rate_limited']]);
    expect(events.of('limited')).toEqual([[second, 'app', 'concurrent']]);
    expect(second.journey.limitHeaders).toContain('x-ratelimit-remaining-requests');
    expect(shares()).toEqual({ concurrent: 1, requests: 0.1 });
    running[0]!.fail();
    await clock.advance(0);
    expect(shares()).toEqual({ concurrent: 0, requests: 0.1 });
  });
});

test('a guess keeps nobody out for good: more than the limit is taken as all of it', async () => {
  const { clock, running, outcomes, send, shares } = scene({ tokens_per_minute: 60 });
  // It names no max_tokens, and an answer is thought to have hundreds.
  send(fakeCall({ text: 'x'.repeat(100) }));
  await clock.advance(0);
  expect(running).toHaveLength(1);
  expect(shares()).toEqual({ tokens: 1 });
  running[0]!.end(136);
  await clock.advance(0);
  send();
  await clock.advance(60_000);
  send();
  await clock.advance(0);
  expect([running.length, outcomes]).toEqual([2, ['replied', 'rate_limited']]);
});

test('a key that waits does not wait in vain for a request that comes free only after its patience', async () => {
  const { clock, outcomes, send } = scene({ requests_per_minute: 1 }, 10_000);
  send();
  send();
  await clock.advance(0);
  expect(outcomes).toEqual(['rate_limited']);
});

describe('what a call has used', () => {
  const settled = async (call: Call, attempt: Partial<Attempt> | null): Promise<number> => {
    const { clock, running, send, shares } = scene({ tokens_per_minute: 1_000 });
    send(call);
    await clock.advance(0);
    if (attempt !== null) call.attempts.push({ ...newAttempt('w0', null), ...attempt });
    running[0]!.end(null);
    await clock.advance(0);
    return Math.round(shares()['tokens']! * 1_000);
  };
  const call = (more: Partial<Peek> = {}): Call => {
    const base = fakeCall({ text: 'x'.repeat(100), stream: true });
    return { ...base, peek: { ...base.peek, maxTokens: 200, ...more } };
  };

  test.each([
    ['as its worker counted it', call(), { inputTokens: 30, outputTokens: 12, chunks: 12 }, 42],
    ['the events of a stream that was left', call(), { chunks: 12 }, 30 + 12],
    ['as many tokens as it asked for in each event', call({ streamInterval: 10 }), { chunks: 12 }, 30 + 120],
    ['what was thought, where the answer does not say', call(), { verdict: { kind: 'success' } }, 230],
    ['nothing, where it never came to a worker', call(), null, 0],
  ] as const)('%s', async (_name, of, attempt, used) => {
    expect(await settled(of, attempt)).toBe(used);
  });
});

test('what others asked for bears on nobody’s limits, and one’s own only within bounds', async () => {
  const estimates = new TokenEstimates();
  const large = fakeCall({ text: 'x'.repeat(8_000) });
  const before = estimates.of('key victim', large);
  for (let i = 0; i < 200; i++) estimates.learn('key small', fakeCall({ text: 'hi' }), 35, 5);
  expect(estimates.of('key victim', large)).toEqual(before);
  expect(estimates.of('key small', large).prompt).toBeLessThanOrEqual(8_000);
  for (let i = 0; i < 200; i++) estimates.learn('key sly', fakeCall({ text: 'x'.repeat(100_000) }), 10, 5);
  expect(estimates.of('key sly', large).prompt).toBeGreaterThanOrEqual(1_200);
});

test('whoever cannot be let in in time holds nobody up', async () => {
  const { clock, running, outcomes, send } = scene({ tokens_per_minute: 1_000, concurrent_requests: 10 }, 4_000);
  const of = (maxTokens: number) => {
    const base = fakeCall({ text: '' });
    return { ...base, peek: { ...base.peek, maxTokens } };
  };
  send(of(900));
  send(of(600));
  send(of(50));
  await clock.advance(0);
  expect([running.length, outcomes]).toEqual([2, ['rate_limited']]);
});

describe('a key that waits', () => {
  test('is let in when the minute is over, each call in its turn', async () => {
    const { clock, running, outcomes, send, events } = scene({ requests_per_minute: 1 }, 150_000);
    const calls = [send(), send(), send()];
    await clock.advance(0);
    expect(running.map(({ call }) => call)).toEqual(calls.slice(0, 1));
    await clock.advance(59_999);
    expect(running).toHaveLength(1);
    await clock.advance(1);
    expect(running.map(({ call }) => call)).toEqual(calls.slice(0, 2));
    expect(calls[1]!.journey).toMatchObject({ queueMs: 60_000 });
    await clock.advance(60_000);
    expect(running.map(({ call }) => call)).toEqual(calls);
    for (const each of running) each.end(0);
    await clock.advance(0);
    expect(outcomes).toEqual(['replied', 'replied', 'replied']);
    expect(events.count('limited')).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('is let in as soon as another has ended', async () => {
    const { clock, running, send } = scene({ concurrent_requests: 1, tokens_per_minute: 1_000_000 }, 10_000);
    send();
    send();
    await clock.advance(30);
    expect(running).toHaveLength(1);
    running[0]!.end(5);
    await clock.advance(0);
    expect(running).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });

  test('is refused when its time is over, or when so many wait already', async () => {
    const { clock, running, outcomes, send, events } = scene({ concurrent_requests: 1 }, 5_000);
    for (let i = 0; i < 258; i++) send();
    await clock.advance(0);
    expect([running.length, outcomes]).toEqual([1, ['rate_limited']]);
    await clock.advance(5_000);
    expect(outcomes).toHaveLength(257);
    expect(new Set(outcomes)).toEqual(new Set(['rate_limited']));
    expect(events.count('limited')).toBe(257);
    expect(clock.pending).toBe(0);
  });

  test('that is taken out while its calls wait lets none of them in', async () => {
    const { clock, running, outcomes, send, gone, shares } = scene({ concurrent_requests: 1 }, 10_000);
    for (let i = 0; i < 3; i++) send();
    await clock.advance(0);
    gone.is = true;
    running[0]!.end(null);
    await clock.advance(0);
    expect([running.length, outcomes.toSorted()]).toEqual([1, ['invalid_api_key', 'invalid_api_key', 'replied']]);
    expect(shares()).toEqual({ concurrent: 0 });
    expect(clock.pending).toBe(0);
  });

  test('does not wait for what will never be', async () => {
    const { clock, outcomes, send, limited } = scene({ requests_per_minute: 1 }, 100_000);
    send();
    send();
    await clock.advance(0);
    limited.limits = { ...limited.limits, requests_per_minute: 0 };
    await clock.advance(60_000);
    expect(outcomes).toEqual(['rate_limited']);
    send();
    await clock.advance(0);
    expect(outcomes).toEqual(['rate_limited', 'rate_limited']);
    expect(clock.pending).toBe(0);
  });

  test('leaves its turn to the next when its client goes', async () => {
    const { clock, running, outcomes, send } = scene({ requests_per_minute: 1 }, 100_000);
    const [, second, third] = [send(), send(), send()];
    await clock.advance(1_000);
    second.cancellation.cancel(clientGone());
    await clock.advance(0);
    expect(outcomes).toEqual(['client_disconnected']);
    await clock.advance(59_000);
    expect(running.at(-1)!.call).toBe(third);
    expect(clock.pending).toBe(0);
  });
});

describe('who counts may answer later', () => {
  test('and whoever has left meanwhile is not let in, and has nothing', async () => {
    const { clock, running, outcomes, send, shares } = scene({ concurrent_requests: 1, tokens_per_minute: 100 }, 0, 30);
    const call = send();
    await clock.advance(10);
    call.cancellation.cancel(clientGone());
    await clock.advance(20);
    expect([running.length, outcomes, shares()]).toEqual([0, ['client_disconnected'], { concurrent: 0, tokens: 0 }]);
  });

  test('and is asked again at once where something was given back while it thought', async () => {
    const { clock, running, send } = scene({ concurrent_requests: 1 }, 10_000, 30);
    send();
    await clock.advance(30);
    send();
    // It is refused as of now, and hears of that after the place has come free.
    await clock.advance(10);
    send();
    running[0]!.end(1);
    await clock.advance(200);
    expect(running).toHaveLength(2);
    running[1]!.end(1);
    await clock.advance(200);
    expect(running).toHaveLength(3);
  });

  test('and whoever waits there leaves nothing behind when he goes while it thinks', async () => {
    const { clock, running, outcomes, send, shares } = scene({ concurrent_requests: 1 }, 10_000, 30);
    send();
    await clock.advance(30);
    const [second, third] = [send(), send()];
    await clock.advance(40);
    running[0]!.end(1);
    await clock.advance(10);
    // It has been let in, and does not know it yet.
    second.cancellation.cancel(clientGone());
    await clock.advance(300);
    expect([outcomes, running.map(({ call }) => call)]).toEqual([
      ['replied', 'client_disconnected'],
      [running[0]!.call, third],
    ]);
    running[1]!.end(1);
    await clock.advance(100);
    expect(shares()).toEqual({ concurrent: 0 });
    expect(clock.pending).toBe(0);
  });
});

describe('whatever calls do', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), chars: fc.integer({ min: 0, max: 60 }) }),
    fc.record({ kind: fc.constant('end' as const), which: fc.nat(), used: fc.option(fc.integer({ min: 0, max: 30 })) }),
    fc.record({ kind: fc.constant('fail' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 40_000 })) }),
  );

  test.each([
    [0, null],
    [20_000, null],
    [0, 5],
    [20_000, 5],
  ])(
    'no limit is passed, and in the end nothing is held (patience %d ms, answers after %s ms)',
    { timeout: 60_000 },
    async (patienceMs, lateMs) => {
      const limits = { requests_per_minute: 6, tokens_per_minute: 400, concurrent_requests: 3 };
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          const { clock, running, outcomes, send, shares } = scene(limits, patienceMs, lateMs);
          const calls: Call[] = [];
          const admittedAt: number[] = [];
          const open = new Set<(typeof running)[number]>();
          let seen = 0;
          const settle = async (ms = 0): Promise<void> => {
            await clock.advance(ms);
            for (; seen < running.length; seen++) {
              open.add(running[seen]!);
              admittedAt.push(clock.now());
            }
            expect(open.size).toBeLessThanOrEqual(3);
            const used = shares();
            for (const share of Object.values(used)) expect(share).toBeGreaterThanOrEqual(0);
            expect(used['requests'] ?? 0).toBeLessThanOrEqual(1);
          };
          for (const each of steps) {
            const all = [...open];
            const one = 'which' in each && all.length > 0 ? all[each.which % all.length]! : null;
            switch (each.kind) {
              case 'send':
                calls.push(send(fakeCall({ text: 'x'.repeat(each.chars) })));
                break;
              case 'end':
                if (one) one.end(each.used);
                break;
              case 'fail':
                if (one) one.fail();
                break;
              case 'leave':
                if (calls.length > 0) calls[each.which % calls.length]!.cancellation.cancel(clientGone());
                break;
              case 'pass':
                await settle(each.ms);
                continue;
            }
            if (one && each.kind !== 'leave') open.delete(one);
            await settle();
          }
          for (const each of open) each.end(null);
          open.clear();
          await settle(patienceMs + 100);
          for (const each of open) each.end(null);
          await clock.advance(120_000);
          expect(Object.values(shares()).every((share) => share === 0)).toBe(true);
          expect(clock.pending).toBe(0);
          expect(outcomes.length).toBe(calls.length);
          // In no minute were more let in than may be.
          for (const from of admittedAt)
            expect(admittedAt.filter((at) => at >= from && at < from + 60_000 - 1_000).length).toBeLessThanOrEqual(6);
        }),
        { numRuns: 60 },
      );
    },
  );
});
