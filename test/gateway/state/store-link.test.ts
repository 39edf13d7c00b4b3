import { describe, expect, test } from 'vitest';
import { script } from '../../../gateway/state/script.ts';
import { StoreLink } from '../../../gateway/state/store-link.ts';
import type { Connection } from '../../../gateway/state/valkey-connection.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';

const ECHO = script('return 1', (reply) => (typeof reply === 'number' ? reply : undefined));
const NEVER = () => new Promise<never>(() => {});
const says = (message: string) => () => Promise.reject(Object.assign(new Error(message), { name: 'ReplyError' }));

/** A store that does as it is told. */
function scene(random = 0.5) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const store = {
    connect: (): Promise<void> => Promise.resolve(),
    run: (): Promise<unknown> => Promise.resolve(1),
    load: (): Promise<unknown> => Promise.resolve('sha'),
    attempts: [] as number[],
    atOnce: 0,
    open: 0,
    asked: 0,
    loaded: 0,
    lose: (_error: Error): void => {},
  };
  const link: StoreLink = new StoreLink({
    ...{ clock, events, random: { next: () => random }, url: 'redis://:secret@db:6379', timeoutMs: () => 50, scripts: [ECHO] },
    announce: async (to) => ((await to.run(ECHO, [], [])) === null ? null : 2),
    async connect(_url, _limitMs, onLost) {
      store.attempts.push(clock.now());
      store.atOnce += 1;
      expect(store.atOnce).toBe(1);
      try {
        await store.connect();
      } finally {
        store.atOnce -= 1;
      }
      store.open += 1;
      store.lose = onLost;
      return {
        run: () => {
          store.asked += 1;
          return store.run();
        },
        load: () => {
          store.loaded += 1;
          return store.load();
        },
        reasonOf: (error) => error,
        close: () => (store.open -= 1),
      } satisfies Connection;
    },
  });
  /** Timers, and what is looked at a turn later. */
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await clock.advance(0);
    await clock.advance(0);
  };
  const ask = (): Promise<number | null> => link.run(ECHO, [], []);
  const changes = () => events.of('storeChanged').map(([state]) => (state.isUp ? 'up' : state.trouble));
  const failed = () => events.of('storeFailed').map(([trouble]) => trouble);
  return { clock, events, store, link, pass, ask, changes, failed };
}

describe('a store that answers', () => {
  test('is told of once, and asked as long as it answers', async () => {
    const { link, ask, events, changes } = scene();
    await link.open();
    expect(link.isUp).toBe(true);
    expect(await ask()).toBe(1);
    expect(changes()).toEqual(['up']);
    expect(events.of('storeChanged')[0]![0]).toEqual({ isUp: true, server: 'db:6379', gateways: 2 });
    link.close();
  });

  test('is taught again what it has forgotten', async () => {
    const { link, ask, store, failed } = scene();
    await link.open();
    const replies = [says('NOSCRIPT No matching script.'), () => Promise.resolve(7)];
    store.run = () => replies.shift()!();
    expect(await ask()).toBe(7);
    expect([store.loaded, failed()]).toEqual([2, []]);
    link.close();
  });
});

describe('a store that fails', () => {
  test('is not asked any more after five failures in a row, and those who wait go on at once', async () => {
    const { link, ask, store, pass, changes, failed } = scene();
    await link.open();
    store.run = NEVER;
    const first = Array.from({ length: 4 }, ask);
    await pass(50);
    expect(await Promise.all(first)).toEqual([null, null, null, null]);
    expect([link.isUp, failed().length]).toEqual([true, 4]);
    // One good answer, and it begins anew.
    store.run = () => Promise.resolve(1);
    expect(await ask()).toBe(1);
    store.run = NEVER;
    const more = Array.from({ length: 5 }, ask);
    await pass(20);
    const last = Array.from({ length: 100 }, ask);
    await pass(30);
    expect(link.isUp).toBe(false);
    // The others had waited for 30 ms, and wait no longer; only what was over is a failure.
    expect(new Set(await Promise.all([...more, ...last]))).toEqual(new Set([null]));
    expect(failed()).toHaveLength(9);
    const { asked } = store;
    expect([await ask(), store.asked, store.open]).toEqual([null, asked, 0]);
    expect(changes()).toEqual(['up', 'timeout']);
    link.close();
  });

  test('is left alone for 5 s, then for twice as long each time, up to a minute, by one attempt at a time', async () => {
    const { clock, link, ask, store, pass, changes } = scene();
    await link.open();
    store.run = NEVER;
    void Promise.all(Array.from({ length: 5 }, ask));
    await pass(50);
    for (let i = 0; i < 300; i++) await pass(1_000);
    const pauses = store.attempts.slice(1).map((at, i) => Math.round((at - store.attempts[i]!) / 1_000));
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60, 60]);
    // The same trouble is told once.
    expect(changes()).toEqual(['up', 'timeout']);
    store.run = () => Promise.resolve(1);
    await pass(60_000);
    expect(link.isUp).toBe(true);
    expect(changes()).toEqual(['up', 'timeout', 'up']);
    link.close();
    expect(clock.pending).toBe(0);
  });

  test('is found again soon where nothing listens, and looked for every 5 s at most', async () => {
    const { link, store, pass, changes } = scene();
    await link.open();
    store.connect = () => Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    store.lose(new Error('Connection is closed.'));
    expect([link.isUp, link.nextTryMs]).toEqual([false, 250]);
    for (let i = 0; i < 80; i++) await pass(250);
    const pauses = store.attempts.slice(2).map((at, i) => at - store.attempts[i + 1]!);
    expect(pauses.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    store.connect = () => Promise.resolve();
    await pass(5_000);
    expect([link.isUp, changes()]).toEqual([true, ['up', 'unreachable', 'up']]);
    link.close();
  });

  test('that comes and goes is left alone for longer each time', async () => {
    const { link, store, pass } = scene();
    await link.open();
    const pauses: number[] = [];
    for (let i = 0; i < 4; i++) {
      store.lose(new Error('Connection is closed.'));
      pauses.push(link.nextTryMs);
      await pass(link.nextTryMs);
      expect(link.isUp).toBe(true);
    }
    await pass(10_000);
    store.lose(new Error('Connection is closed.'));
    expect([...pauses, link.nextTryMs]).toEqual([250, 500, 1_000, 2_000, 250]);
    link.close();
  });

  test('answers in time where the gateway itself was late', async () => {
    const { clock, link, store } = scene();
    await link.open();
    let answer: (reply: number) => void = () => {};
    store.run = () => new Promise((resolve) => (answer = resolve));
    const asked = link.run(ECHO, [], []);
    // The timer comes first, and in the same turn the socket is read.
    const passing = clock.advance(500);
    setImmediate(() => answer(3));
    await passing;
    expect(await asked).toBe(3);
    link.close();
  });

  test.each([
    ['OOM command not allowed when used memory > maxmemory.', 'memory', 'maxmemory'],
    ["READONLY You can't write against a read only replica.", 'readonly', 'Name the primary'],
    ['MOVED 866 10.0.0.9:6379', 'cluster', 'without cluster mode'],
    ['CLUSTERDOWN Hash slot not served', 'cluster', 'without cluster mode'],
    ['NOAUTH Authentication required.', 'auth', 'user or the password'],
    ['WRONGPASS invalid username-password pair', 'auth', 'user or the password'],
    ["NOPERM this user has no permissions to run the 'evalsha' command", 'auth', '+@scripting'],
    ['LOADING Redis is loading the dataset in memory', 'starting', 'busy with itself'],
    ['BUSY Redis is busy running a script.', 'starting', 'busy with itself'],
    ['MISCONF Redis is configured to save RDB snapshots', 'disk', 'save ""'],
    ["ERR unknown command 'EVALSHA'", 'error', 'Redis from version 5'],
  ])('by "%s" is told with advice: %s', async (message, trouble, advice) => {
    const { link, ask, store, events, changes, failed } = scene();
    await link.open();
    store.run = says(message);
    for (let i = 0; i < 5; i++) expect(await ask()).toBeNull();
    expect(changes()).toEqual(['up', trouble]);
    expect(new Set(failed())).toEqual(new Set([trouble]));
    const [state] = events.of('storeChanged').at(-1)!;
    expect(state).toMatchObject({ isUp: false, server: 'db:6379', message: expect.stringContaining(advice) });
    expect(JSON.stringify(state)).not.toContain('secret');
    link.close();
  });

  test('by what is no answer is told as such', async () => {
    const { link, ask, store, changes } = scene();
    await link.open();
    store.run = () => Promise.resolve(['what', null]);
    for (let i = 0; i < 5; i++) expect(await ask()).toBeNull();
    expect(changes()).toEqual(['up', 'garbage']);
    link.close();
  });
});
