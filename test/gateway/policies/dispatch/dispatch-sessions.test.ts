import { describe, expect, test } from 'vitest';
import { fakeCall } from '../../../support/fake-call.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { die, good, once, setUp } from './dispatch-scene.ts';

const SESSION = { balancer: { affinity: 'session' as const } };
const of = (name: string) => fakeCall({ sessionId: name });
const names = Array.from({ length: 40 }, (_, i) => `s-${i}`);

type Scene = ReturnType<typeof setUp>;

/** At which worker each conversation's next call is answered. */
async function homes(t: Scene): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of names) found.set(name, (await t.sendTo(good, of(name))).call.attempts.at(-1)!.worker);
  return found;
}

describe('conversations', () => {
  test('go to the same workers in every process that has not seen them', async () => {
    const one = await homes(setUp({ workers: 4, ...SESSION }));
    expect(await homes(setUp({ workers: 4, ...SESSION }))).toEqual(one);
    expect(new Set(one.values()).size).toBe(4);
  });

  test('stay where they are when a worker comes, which gets new ones', async () => {
    const t = setUp({ workers: 2, ...SESSION });
    const before = await homes(t);
    const third = new FakeWorker('w2');
    t.workers.push(third);
    t.directory.setWorkers(t.workers);
    expect(await homes(t)).toEqual(before);
    for (let i = 0; i < 20; i++) await t.sendTo(good, of(`new-${i}`));
    expect(third.transport.exchanges.length).toBeGreaterThan(0);
  });

  test('of a worker that ends move, and of no other', async () => {
    const t = setUp({ workers: 3, ...SESSION });
    const before = await homes(t);
    t.directory.setState(t.workers[1]!, 'backoff');
    const after = await homes(t);
    for (const name of names) if (before.get(name) !== 'w1') expect(after.get(name)).toBe(before.get(name));
    t.directory.setState(t.workers[1]!, 'ready');
    expect(await homes(t)).toEqual(after);
  });

  test('go with a call that is tried elsewhere', async () => {
    const t = setUp({ workers: 2, ...SESSION });
    const { call } = await t.sendTo(once(die), of('a'));
    const [first, second] = call.attempts.map(({ worker }) => worker);
    expect(second).not.toBe(first);
    expect((await t.sendTo(good, of('a'))).call.attempts.map(({ worker }) => worker)).toEqual([second]);
    expect(t.dispatch.sessions).toMatchObject({ active: 1, kept: 1, moved: 1 });
  });

  test('are under way to the last byte', async () => {
    const t = setUp({ workers: 2, ...SESSION, sessions: { idle_ms: 1_000 } });
    t.send(of('a'));
    await t.clock.advance(10_000);
    expect(t.dispatch.sessions.active).toBe(1);
    for (const exchange of t.open()) good(exchange);
    await t.clock.advance(999);
    expect(t.dispatch.sessions.active).toBe(1);
    await t.clock.advance(1_001);
    expect(t.dispatch.sessions.active).toBe(0);
  });

  test('are nothing to a gateway that was not told to keep them, nor where there is one worker', async () => {
    for (const setup of [{ workers: 4 }, { workers: 1, ...SESSION }]) {
      const t = setUp(setup);
      for (const name of names) await t.sendTo(good, of(name));
      expect(t.dispatch.sessions.active).toBe(0);
    }
  });

  test('leave nothing behind when the gateway ends', async () => {
    const t = setUp({ workers: 2, ...SESSION });
    await t.sendTo(good, of('a'));
    const before = t.clock.pending;
    t.dispatch.close();
    expect(t.clock.pending).toBe(before - 1);
  });
});
