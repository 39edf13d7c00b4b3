import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Limits } from '../../../gateway/core/principal.ts';
import { leavingRoom } from '../../../gateway/policies/limits/leaving-room.ts';
import type { Hold, Taking } from '../../../gateway/policies/limits/limiter.ts';
import { type Driver, DRIVERS } from './drivers.ts';

// What holds of limits, wherever they are counted: in one process, or in a server that two gateways use.

const MINUTE = 60_000;

const limitedTo = (limits: Partial<Limits>, name = 'app') => ({
  ...{ subject: name, name, isAddress: false, patienceMs: 0 },
  limits: { requests_per_minute: null, tokens_per_minute: null, concurrent_requests: null, ...limits },
});

const told = (taking: Taking) => (taking.kind === 'refused' ? `${taking.limit} ${taking.waitMs}` : taking.kind);

function holdOf(taking: Taking): Hold {
  if (taking.kind !== 'taken') throw new Error(told(taking));
  return taking.hold;
}

const steps = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 990 }), fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 58_900, max: 60_100 })),
    gateway: fc.nat(),
    tokens: fc.integer({ min: 0, max: 40 }),
    usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    end: fc.constantFrom<'at once' | 'later'>('at once', 'later'),
  }),
  { maxLength: 60, size: 'max' },
);

const someLimits = fc.record({
  requests_per_minute: fc.option(fc.integer({ min: 1, max: 20 })),
  tokens_per_minute: fc.option(fc.integer({ min: 1, max: 120 })),
  concurrent_requests: fc.option(fc.integer({ min: 1, max: 6 })),
});

describe.each(DRIVERS)('limits $name', ({ missing, gateways, runs, open }) => {
  let driver: Driver;
  beforeAll(async () => {
    if (missing === null) driver = await open();
  });
  afterAll(async () => driver?.[Symbol.asyncDispose]());
  const needs = missing === null ? '' : ` (${missing})`;
  const it = test.skipIf(missing !== null);
  const other = gateways - 1;

  it(`of requests, tokens and places are each kept, all or nothing${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ requests_per_minute: 3, tokens_per_minute: 100, concurrent_requests: 2 });
    const first = await limits.take(0, app, 60, 0);
    expect(first).toMatchObject({
      kind: 'taken',
      standings: { requests: { limit: 3, remaining: 2, resetMs: MINUTE }, tokens: { limit: 100, remaining: 40, resetMs: MINUTE } },
    });
    expect(told(await limits.take(other, app, 60, 10))).toBe('tokens 59990');
    expect(told(await limits.take(other, app, 101, 10))).toBe('tokens Infinity');
    expect(told(await limits.take(other, app, 40, 20))).toBe('taken');
    expect(told(await limits.take(0, app, 0, 30))).toBe('concurrent 1000');
    const hold = holdOf(first);
    await limits.settle(0, hold, 10, 40);
    // Only once.
    await limits.settle(0, hold, 0, 41);
    expect(told(await limits.take(other, app, 50, 300))).toBe('taken');
    // What is taken within a second counts as taken at its last moment.
    expect(told(await limits.take(0, app, 0, 310))).toBe('requests 59990');
  });

  it(`let in of many calls at once those that one after the other would be let in${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ tokens_per_minute: 100, concurrent_requests: 4 });
    const takings = await limits.takeAll(other, app, [60, 60, 30, 101, 10, 0, 0, 0], 5);
    expect(takings.map(told)).toEqual([
      ...['taken', 'tokens 60000', 'taken', 'tokens Infinity', 'taken', 'taken', 'concurrent 1000', 'concurrent 1000'],
    ]);
    await limits.settle(other, holdOf(takings[0]!), 20, 10);
    expect((await limits.takeAll(0, app, [41, 40], 20)).map(told)).toEqual(['tokens 59985', 'taken']);
    // More than one question holds.
    const many = await limits.takeAll(other, limitedTo({ requests_per_minute: 230 }, 'many'), Array<number>(250).fill(1), 30);
    expect(many.map(({ kind }) => kind)).toEqual([...Array<string>(230).fill('taken'), ...Array<string>(20).fill('refused')]);
  });

  it(`are exact at the boundary of a minute, wherever it begins${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ requests_per_minute: 10 });
    for (let i = 0; i < 10; i++) expect(told(await limits.take(i % gateways, app, 0, 59_000))).toBe('taken');
    // A fixed window would begin anew at 60 s, a bucket would be a third full again at 79 s.
    expect(told(await limits.take(0, app, 0, 79_000))).toBe('requests 40000');
    expect(told(await limits.take(other, app, 0, 118_999))).toMatch(/^requests 1/);
    expect(told(await limits.take(other, app, 0, 119_000))).toBe('taken');
  });

  it(`of one are not those of another, whatever they are called${needs}`, async () => {
    const limits = await driver.fresh();
    for (const name of ['a', 'b', 'a}', '{a}', 'a b', '::1', 'ä']) {
      expect(told(await limits.take(0, limitedTo({ requests_per_minute: 1 }, name), 0, 0))).toBe('taken');
    }
    expect(told(await limits.take(other, limitedTo({ requests_per_minute: 1 }, 'a'), 0, 0))).toBe('requests 60000');
  });

  it(`hold from the moment at which they are changed, for what was before${needs}`, async () => {
    const limits = await driver.fresh();
    for (let i = 0; i < 5; i++) expect(told(await limits.take(0, limitedTo({ requests_per_minute: 100 }), 7, 0))).toBe('taken');
    expect(told(await limits.take(0, limitedTo({ requests_per_minute: 4 }), 0, 1_000))).toBe('requests 59000');
    expect(told(await limits.take(0, limitedTo({ tokens_per_minute: 40 }), 6, 1_000))).toBe('tokens 59000');
    expect(told(await limits.take(0, limitedTo({ requests_per_minute: 6 }), 0, 1_000))).toBe('taken');
  });

  it(`of 0 let nothing through${needs}`, async () => {
    const limits = await driver.fresh();
    expect(told(await limits.take(0, limitedTo({ requests_per_minute: 0 }), 0, 0))).toBe('requests Infinity');
    expect(told(await limits.take(0, limitedTo({ tokens_per_minute: 0 }), 0, 0))).toBe('tokens Infinity');
    expect(told(await limits.take(0, limitedTo({ concurrent_requests: 0 }), 0, 0))).toBe('concurrent Infinity');
  });

  it(`give back what was not used, take what was used beyond, and forget what is long gone${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ tokens_per_minute: 100 });
    const remaining = async (at: number): Promise<number> => {
      const taking = await limits.take(other, app, 0, at);
      await limits.settle(other, holdOf(taking), 0, at);
      return taking.kind === 'taken' ? taking.standings.tokens!.remaining : NaN;
    };
    const first = holdOf(await limits.take(0, app, 100, 0));
    await limits.settle(0, first, 30, 5_000);
    expect(await remaining(5_000)).toBe(70);
    const second = holdOf(await limits.take(0, app, 10, 6_000));
    await limits.settle(0, second, 25, 7_000);
    expect(await remaining(7_000)).toBe(45);
    const third = holdOf(await limits.take(0, app, 10, 8_000));
    await limits.settle(0, third, 0, 100_000);
    expect(await remaining(100_000)).toBe(100);
  });

  it(`are left in part to others of the same subject by whoever leaves some, and all are told of the whole${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ requests_per_minute: 10, tokens_per_minute: 1_000, concurrent_requests: 20 });
    const line = { ...app, held: leavingRoom(app.limits) };
    for (let i = 0; i < 9; i++) expect(told(await limits.take(i % gateways, line, 10, 0))).toBe('taken');
    expect(await limits.take(other, line, 10, 0)).toMatchObject({
      ...{ kind: 'refused', limit: 'requests', waitMs: MINUTE },
      standings: { requests: { limit: 10, remaining: 1 }, tokens: { limit: 1_000, remaining: 910 } },
    });
    expect(told(await limits.take(other, app, 10, 0))).toBe('taken');
    expect(told(await limits.take(0, app, 10, 0))).toBe('requests 60000');
    const places = limitedTo({ concurrent_requests: 2 }, 'places');
    const one = holdOf(await limits.take(0, { ...places, held: leavingRoom(places.limits) }, 0, 0));
    expect(told(await limits.take(other, { ...places, held: leavingRoom(places.limits) }, 0, 0))).toBe('concurrent 1000');
    expect(told(await limits.take(other, places, 0, 0))).toBe('taken');
    await limits.settle(0, one, 0, 1);
  });

  it(`let through what is larger than the part that it may have, and not than the whole, as soon as that is free${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ tokens_per_minute: 1_000 });
    const line = { ...app, held: leavingRoom(app.limits) };
    expect(told(await limits.take(0, app, 50, 0))).toBe('taken');
    expect(told(await limits.take(0, line, 951, 10))).toBe('tokens 59990');
    // Somebody always asks for a little.
    expect(told(await limits.take(other, line, 950, 300))).toBe('taken');
    expect(told(await limits.take(0, line, 1_001, 320))).toBe('tokens Infinity');
  });

  it(`do not go back with a clock that does, and go on from there${needs}`, async () => {
    const limits = await driver.fresh();
    const app = limitedTo({ requests_per_minute: 1 });
    expect(told(await limits.take(0, app, 0, 100_000))).toBe('taken');
    expect(told(await limits.take(other, app, 0, 50_000))).toBe('requests 60000');
  });

  const histories = fc.tuple(steps, someLimits);

  it(`let no more than the limit through in any minute, and tell a wait that is enough${needs}`, async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ([history, limits]) => {
        const counted = await driver.fresh();
        const app = limitedTo(limits);
        const calls: { at: number; tokens: number; isRunning: boolean }[] = [];
        const running: { gateway: number; hold: Hold; used: number; call: (typeof calls)[number] }[] = [];
        const end = async (which: (typeof running)[number], at: number): Promise<void> => {
          await counted.settle(which.gateway, which.hold, which.used, at);
          which.call.tokens = which.used;
          which.call.isRunning = false;
        };
        let now = 0;
        for (const step of history) {
          now += step.afterMs;
          const gateway = step.gateway % gateways;
          let taking = await counted.take(gateway, app, step.tokens, now);
          if (taking.kind === 'refused' && taking.limit !== 'concurrent' && taking.waitMs !== Infinity) {
            const { limit } = taking;
            now += taking.waitMs;
            taking = await counted.take(gateway, app, step.tokens, now);
            // Nothing else has come meanwhile. A wait for requests does not tell of the tokens.
            if (taking.kind === 'refused' && taking.limit !== 'concurrent') expect([limit, taking.limit]).toEqual(['requests', 'tokens']);
          }
          if (taking.kind === 'taken') {
            const call = { at: now, tokens: step.tokens, isRunning: true };
            calls.push(call);
            running.push({ gateway, hold: taking.hold, used: Math.round(step.tokens * step.usedShare), call });
            const within = calls.filter(({ at }) => at > now - MINUTE);
            expect(within.length).toBeLessThanOrEqual(limits.requests_per_minute ?? Infinity);
            expect(within.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(limits.tokens_per_minute ?? Infinity);
            expect(calls.filter(({ isRunning }) => isRunning).length).toBeLessThanOrEqual(limits.concurrent_requests ?? Infinity);
          }
          if (step.end === 'at once') {
            for (const each of running.splice(0)) await end(each, now);
          }
        }
      }),
      { numRuns: runs },
    );
  });

  it(`take less what they give back what was used${needs}`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const counted = await driver.fresh();
        const app = limitedTo({ tokens_per_minute: 1_000_000 });
        const open: { gateway: number; hold: Hold; used: number }[] = [];
        let used = 0;
        let now = 0;
        for (const step of history) {
          // All within one minute.
          now += step.afterMs % 900;
          const gateway = step.gateway % gateways;
          const hold = holdOf(await counted.take(gateway, app, step.tokens, now));
          const call = { gateway, hold, used: Math.round(step.tokens * step.usedShare * 1.5) };
          used += call.used;
          if (step.end === 'later') open.push(call);
          else await counted.settle(gateway, hold, call.used, now);
        }
        for (const call of open.toReversed()) await counted.settle(call.gateway, call.hold, call.used, now);
        const last = await counted.take(other, app, 0, now);
        expect(last).toMatchObject({ kind: 'taken', standings: { tokens: { remaining: 1_000_000 - used } } });
      }),
      { numRuns: runs },
    );
  });
});

test.skipIf(DRIVERS[1]!.missing !== null)(
  `both answer alike, whatever comes${DRIVERS[1]!.missing === null ? '' : ` (${DRIVERS[1]!.missing})`}`,
  async () => {
    const drivers = await Promise.all(DRIVERS.map(({ open }) => open()));
    try {
      await fc.assert(
        fc.asyncProperty(steps, someLimits, async (history, limits) => {
          const [memory, server] = await Promise.all(drivers.map((driver) => driver.fresh()));
          const app = limitedTo(limits);
          let now = 0;
          for (const step of history) {
            now += step.afterMs;
            const here = await memory!.take(0, app, step.tokens, now);
            const there = await server!.take(0, app, step.tokens, now);
            // One that is remembered names the limit that it was refused for before.
            expect(there.kind).toBe(here.kind);
            if (here.kind !== 'taken' || there.kind !== 'taken') continue;
            expect(there.standings).toEqual(here.standings);
            const used = Math.round(step.tokens * step.usedShare * 1.5);
            await memory!.settle(0, here.hold, used, now);
            await server!.settle(0, there.hold, used, now);
          }
        }),
        { numRuns: 15 },
      );
    } finally {
      for (const driver of drivers) await driver[Symbol.asyncDispose]();
    }
  },
);
