import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { KeyHolder } from '../../../../gateway/core/principal.ts';
import { type Session, Sessions, type SessionSettings } from '../../../../gateway/policies/dispatch/sessions.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';

const IDLE_MS = 60_000;

function tableOf(clock: FakeClock, count: number, over: Partial<SessionSettings> = {}) {
  const workers = Array.from({ length: count }, (_, i) => new FakeWorker(`w${i}`));
  const directory = new FakeDirectory(clock, workers);
  const ended: [string, number][] = [];
  let settings: SessionSettings | null = { idle_ms: IDLE_MS, max_entries: 3, ...over };
  const sessions = new Sessions({
    clock,
    settings: () => settings,
    workers: () => directory.workers(),
    onEnded: (reason, number) => ended.push([reason, number]),
  });
  directory.onChange(() => sessions.forgetEnded());
  return {
    ...{ clock, workers, directory, ended, sessions },
    /** A call of the conversation goes to a worker, and ends at once. */
    call(key: string, worker: FakeWorker): void {
      const session = sessions.place(key, sessions.find(key, clock.now()), worker, clock.now());
      if (session === null) return;
      sessions.begin(session);
      sessions.end(session, clock.now());
    },
    at: (key: string) => sessions.find(key, clock.now())?.worker.id ?? null,
    set: (next: SessionSettings | null) => {
      settings = next;
      sessions.configure();
    },
  };
}

let t: ReturnType<typeof tableOf>;
let w0: FakeWorker;
let w1: FakeWorker;

beforeEach(() => {
  t = tableOf(createFakeClock(), 2);
  [w0, w1] = t.workers as [FakeWorker, FakeWorker];
});

describe('a conversation', () => {
  test('is where its last call went', () => {
    expect(t.at('a')).toBeNull();
    t.call('a', w0);
    t.call('a', w0);
    expect(t.at('a')).toBe('w0');
    t.call('a', w1);
    expect(t.at('a')).toBe('w1');
    expect(t.sessions.figures).toEqual({ active: 1, byWorker: new Map([['w1', 1]]), kept: 1, moved: 1 });
    expect(t.ended).toEqual([]);
  });

  test('is over when none of its calls has ended for the time, by a timer that is gone with the last', async () => {
    expect(t.clock.pending).toBe(0);
    t.call('a', w0);
    await t.clock.advance(IDLE_MS / 2);
    t.call('b', w1);
    expect(t.clock.pending).toBe(1);
    await t.clock.advance(IDLE_MS / 2);
    expect([t.sessions.figures.active, t.ended]).toEqual([1, [['idle', 1]]]);
    expect(t.clock.pending).toBe(1);
    await t.clock.advance(IDLE_MS / 2);
    expect([t.sessions.figures.active, t.clock.pending]).toEqual([0, 0]);
  });

  test('is not over while a call of it is under way, and its time runs from the end of that', async () => {
    const session = t.sessions.place('a', null, w0, t.clock.now())!;
    t.sessions.begin(session);
    await t.clock.advance(3 * IDLE_MS);
    expect(t.at('a')).toBe('w0');
    t.sessions.end(session, t.clock.now());
    await t.clock.advance(IDLE_MS - 1);
    expect(t.at('a')).toBe('w0');
    await t.clock.advance(1);
    expect([t.at('a'), t.clock.pending]).toEqual([null, 0]);
  });

  test('gives way to another where there is no room, the one used longest ago first', () => {
    for (const key of ['a', 'b', 'c', 'a', 'd']) t.call(key, w0);
    expect(['a', 'b', 'c', 'd'].map(t.at)).toEqual(['w0', null, 'w0', 'w0']);
    expect(t.ended).toEqual([['full', 1]]);
  });

  test('with a call under way gives way last, but it does', () => {
    for (const key of ['a', 'b', 'c']) t.sessions.begin(t.sessions.place(key, null, w0, t.clock.now())!);
    t.call('d', w0);
    t.call('e', w0);
    expect(['a', 'b', 'c', 'd', 'e'].map(t.at)).toEqual([null, 'w0', 'w0', null, 'w0']);
  });

  test('ends with the life of its worker: the next life has an empty cache', () => {
    for (const key of ['a', 'b']) t.call(key, w0);
    t.call('c', w1);
    w0.life = { since: t.clock.now() };
    t.directory.changed();
    expect(['a', 'b', 'c'].map(t.at)).toEqual([null, null, 'w1']);
    expect(t.ended).toEqual([['worker_gone', 2]]);
  });

  test.each(['draining', 'backoff', 'stopping'] as const)('ends when its worker is %s', (state) => {
    t.call('a', w0);
    t.directory.setState(w0, state);
    expect([t.sessions.figures.active, t.clock.pending]).toEqual([0, 0]);
    t.call('a', w0);
    expect(t.sessions.figures.active).toBe(0);
  });

  test('ends when its worker leaves the list', () => {
    t.call('a', w0);
    t.directory.setWorkers([w1]);
    expect(t.ended).toEqual([['worker_gone', 1]]);
  });

  test('that has begun anew is not ended by what is left of the old one', () => {
    const old = t.sessions.place('a', null, w0, t.clock.now())!;
    t.sessions.begin(old);
    t.directory.setState(w0, 'backoff');
    t.call('a', w1);
    t.sessions.end(old, t.clock.now());
    expect([t.at('a'), t.sessions.figures.active]).toEqual(['w1', 1]);
  });
});

describe('new settings', () => {
  test('hold at once', async () => {
    for (const key of ['a', 'b', 'c']) t.call(key, w0);
    t.set({ idle_ms: IDLE_MS, max_entries: 1 });
    expect(['a', 'b', 'c'].map(t.at)).toEqual([null, null, 'w0']);
    t.set({ idle_ms: 5_000, max_entries: 1 });
    await t.clock.advance(5_000);
    expect(t.ended).toEqual([
      ['full', 2],
      ['idle', 1],
    ]);
  });

  test('that want none forget all', () => {
    t.call('a', w0);
    t.set(null);
    expect([t.ended, t.clock.pending]).toEqual([[['off', 1]], 0]);
    expect(t.sessions.place('a', null, w0, t.clock.now())).toBeNull();
  });
});

describe('what stands for it', () => {
  const key = (name: string): KeyHolder => ({
    ...{ kind: 'key', name, isBatch: false, isAdmin: false, limits: null, budgets: null, patienceMs: 0 },
    mayUse: () => true,
  });
  const of = (over: object) => t.sessions.keyOf({ ...fakeCall({ sessionId: 's-1' }), ...over });

  test('is its owner’s alone, and its model’s', () => {
    const all = [{}, { principal: key('app') }, { principal: key('other') }, { model: 'other' }, { sessionId: 's-2' }];
    expect(new Set(all.map(of)).size).toBe(all.length);
    expect(of({ principal: key('app') })).toBe(of({ principal: key('app') }));
    expect(of({ principal: { kind: 'anonymous', address: '10.0.0.1' } })).toBe(of({}));
  });

  test('does not show what the client called it, and is as long for any name', () => {
    expect(of({ sessionId: 'a'.repeat(256) })).toMatch(/^[0-9a-f]{64}$/);
    expect(of({})).not.toContain('s-1');
  });

  test('is nothing without a name, a choice or a wish', () => {
    expect(of({ sessionId: null })).toBeNull();
    t.directory.setWorkers([w0]);
    expect(of({})).toBeNull();
    t.directory.setWorkers([w0, w1]);
    expect(of({})).not.toBeNull();
    t.set(null);
    expect(of({})).toBeNull();
  });
});

const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('begin' as const), key: fc.integer({ min: 0, max: 9 }), worker: fc.nat(3) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('life' as const), worker: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('away' as const), worker: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 0, max: IDLE_MS }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('room' as const), most: fc.integer({ min: 1, max: 6 }) }) },
);

test('whatever happens, it holds no more than it may and names no worker that is gone, and in the end nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 60 }), async (happenings) => {
      const { clock, workers, directory, ended, sessions, set } = tableOf(createFakeClock(), 4);
      const open: Session[] = [];
      let most = 3;
      let begun = 0;
      const table = () => new Map(Array.from({ length: 10 }, (_, key) => [`${key}`, sessions.find(`${key}`, clock.now())?.worker ?? null]));
      for (const next of happenings) {
        const worker = workers[(next as { worker?: number }).worker ?? 0]!;
        if (next.kind === 'begin') {
          const known = sessions.find(`${next.key}`, clock.now());
          const session = sessions.place(`${next.key}`, known, worker, clock.now());
          expect(session === null).toBe(worker.life === null);
          if (session !== null) {
            sessions.begin(session);
            open.push(session);
            if (known === null) begun++;
          }
        } else if (next.kind === 'end') {
          const [session] = open.splice(next.which % Math.max(1, open.length), 1);
          if (session) sessions.end(session, clock.now());
        } else if (next.kind === 'life') {
          directory.setState(worker, 'backoff');
          directory.setState(worker, 'ready');
        } else if (next.kind === 'away') directory.setState(worker, 'drained');
        else if (next.kind === 'time') await clock.advance(next.ms);
        else set({ idle_ms: IDLE_MS, max_entries: (most = next.most) });
        const { active, byWorker } = sessions.figures;
        expect(active).toBeLessThanOrEqual(most);
        expect([...byWorker.values()].reduce((sum, count) => sum + count, 0)).toBe(active);
        for (const id of byWorker.keys()) expect(workers.find((each) => each.id === id)!.life).not.toBeNull();
        for (const at of table().values()) if (at !== null) expect(at.life).not.toBeNull();
        expect(clock.pending).toBe(sessions.figures.active > 0 ? 1 : 0);
        expect(begun).toBe(sessions.figures.active + ended.reduce((sum, [, count]) => sum + count, 0));
      }
      for (const session of open) sessions.end(session, clock.now());
      await clock.advance(IDLE_MS + 1_000);
      expect([sessions.figures.active, clock.pending]).toEqual([0, 0]);
    }),
    { seed: 20_260_101, numRuns: 300 },
  );
});
