import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Saying } from '../../../gateway/fleet/terms.ts';
import { SharedPlaces } from '../../../gateway/state/shared-places.ts';
import { PLACES } from '../../../gateway/state/places-script.ts';
import type { Script } from '../../../gateway/state/script.ts';
import { connectToValkey, type Connection } from '../../../gateway/state/valkey-connection.ts';
import { until } from '../../support/gateway.ts';
import { NO_REDIS_SERVER, type RedisServer, startRedisServer } from '../../support/redis-server.ts';

const saying = (more: Partial<Saying> = {}): Saying => ({ worker: 'w', total: 20, first: 0, rest: 0, held: 0, ask: 0, ...more });

describe.skipIf(NO_REDIS_SERVER !== null)(`places in a store${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`, () => {
  let server: RedisServer;
  let connection: Connection;
  let prefixes = 0;
  beforeAll(async () => {
    if (NO_REDIS_SERVER !== null) return;
    server = await startRedisServer();
    connection = await connectToValkey(server.url, 1_000, () => {});
    await connection.load(PLACES);
  });
  afterAll(async () => {
    connection?.close();
    await server?.[Symbol.asyncDispose]();
  });

  function fleet(...ids: readonly string[]): SharedPlaces[] {
    const link = {
      isUp: true,
      run: async <T>(script: Script<T>, keys: readonly string[], args: readonly (string | number)[]) =>
        script.read(await connection.run(script, keys, args)) ?? null,
    };
    const prefix = `test${prefixes++}:`;
    return ids.map((id) => new SharedPlaces({ link } as never, prefix, id));
  }

  test('are handed out once, and never more than the least that anybody says there is', async () => {
    const [a, b, c] = fleet('a', 'b', 'c') as [SharedPlaces, SharedPlaces, SharedPlaces];
    expect(await a.settle([saying({ first: 15, ask: 15 })])).toMatchObject([{ granted: 15 }]);
    const [second] = (await b.settle([saying({ first: 9, rest: 2, ask: 11 })]))!;
    expect(second).toMatchObject({ granted: 5 });
    expect(second!.standings.toSorted((one, other) => (one.id < other.id ? -1 : 1))).toMatchObject([
      { id: 'a', total: 20, first: 15, rest: 0, held: 15, isGone: false },
      { id: 'b', total: 20, first: 9, rest: 2, held: 5, isGone: false },
    ]);
    // One that gives back, and one that sees the worker under pressure.
    expect(await a.settle([saying({ first: 10, held: 10 })])).toMatchObject([{ granted: 0 }]);
    expect(await c.settle([saying({ total: 16, ask: 4 })])).toMatchObject([{ granted: 1 }]);
    expect(await b.settle([saying({ first: 11, held: 5, ask: 6 })])).toMatchObject([{ granted: 0 }]);
  });

  test('of several workers are asked for at once, more than one command takes', async () => {
    const [a, b] = fleet('a', 'b') as [SharedPlaces, SharedPlaces];
    const sayings = Array.from({ length: 120 }, (_, i) => saying({ worker: `w${i}`, ask: i }));
    const told = (await a.settle(sayings))!;
    expect(told.map(({ granted }) => granted)).toEqual(sayings.map(({ ask, total }) => Math.min(ask, total)));
    expect((await b.settle([saying({ worker: 'w5', ask: 20 })]))![0]).toMatchObject({ granted: 15 });
  });

  test('of one that leaves are free, and it is known to be gone', async () => {
    const [a, b] = fleet('a', 'b') as [SharedPlaces, SharedPlaces];
    await a.settle([saying({ ask: 20 })]);
    await a.leave(['w']);
    const [told] = (await b.settle([saying({ ask: 20 })]))!;
    expect(told!.granted).toBe(20);
    expect(told!.standings.find(({ id }) => id === 'a')).toMatchObject({ isGone: true, held: 0 });
  });

  test('of one that is not heard of any more rest for a while, and are then free', { timeout: 60_000 }, async () => {
    const [a, b] = fleet('a', 'b') as [SharedPlaces, SharedPlaces];
    await a.settle([saying({ ask: 20 })]);
    const ask = async () => (await b.settle([saying({ ask: 20 })]))![0]!;
    let restedFor = 0;
    await until(async () => {
      const { granted, standings } = await ask();
      const other = standings.find(({ id }) => id === 'a');
      if (other?.isGone) restedFor += 1;
      // Nobody has them while they rest.
      expect(granted === 20).toBe(other === undefined);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return granted === 20;
    }, 'they are free');
    expect(restedFor).toBeGreaterThan(0);
  });
});
