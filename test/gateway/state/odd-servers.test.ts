import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import { systemRandom } from '../../../gateway/core/random.ts';
import { Limiter } from '../../../gateway/policies/limits/limiter.ts';
import { openSharedLimits, type SharedLimits } from '../../../gateway/state/open-shared-limits.ts';
import { until } from '../../support/gateway.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { NO_REDIS_SERVER, startRedisServer } from '../../support/redis-server.ts';

// Whatever listens at state.url, calls go on, and the log says what is wrong.

const APP = {
  ...{ subject: 'key app', name: 'app', isAddress: false, patienceMs: 0 },
  limits: { requests_per_minute: 4, tokens_per_minute: null, concurrent_requests: null },
};

/** A user that may do what the advice says. */
const GATE = ['gate', 'on', '>pw', '~odd:*', '+@scripting', '+@string', '+@hash', '+@sortedset', '+@keyspace', '+time'];

let server: Server | undefined;
let shared: SharedLimits | undefined;

afterEach(async () => {
  await shared?.close();
  server?.close();
  shared = server = undefined;
});

/** Something on loopback that does this with a connection. */
async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  server = createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function open(url: string, timeoutMs = 10_000) {
  const events = new RecordedEvents();
  shared = await openSharedLimits({
    ...{ clock: systemClock, random: systemRandom, events, url, prefix: 'odd:', id: 'g', local: new Limiter() },
    now: () => ({ timeout_ms: timeoutMs, when_unavailable: 'local' }),
  });
  const take = async () => shared!.limiter.take(APP, 0, systemClock.now());
  const troubles = () => events.of('storeChanged').map(([state]) => (state.isUp ? 'up' : state.trouble));
  return { events, take, troubles };
}

describe('a server that', () => {
  test.each<[string, string, (socket: Socket) => void]>([
    ['speaks HTTP', 'garbage', (socket) => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['answers every command alike', 'garbage', (socket) => socket.on('data', () => socket.write('+OK\r\n'.repeat(5)))],
    ['hangs', 'timeout', () => {}],
    ['resets every connection', 'unreachable', (socket) => socket.on('data', () => socket.resetAndDestroy())],
    ['closes every connection', 'unreachable', (socket) => socket.on('data', () => socket.destroy())],
  ])('%s is told as "%s", and limits are kept without it', async (_name, trouble, onConnection) => {
    const { events, take, troubles } = await open(await listen(onConnection), trouble === 'timeout' ? 50 : 10_000);
    expect(troubles()).toEqual([trouble]);
    const kinds = await Promise.all(Array.from({ length: 5 }, take));
    expect(kinds.map(({ kind }) => kind)).toEqual(['taken', 'taken', 'taken', 'taken', 'refused']);
    expect(events.count('storeMissed')).toBe(5);
  });

  test('is not there is told as such', async () => {
    const url = await listen(() => {});
    server!.close();
    const { troubles, take } = await open(url);
    expect([troubles(), (await take()).kind]).toEqual([['unreachable'], 'taken']);
  });
});

describe('a real server', () => {
  const needs = NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`;
  const it = test.skipIf(NO_REDIS_SERVER !== null);

  it.each<[string, string, readonly string[], (url: string) => string]>([
    ['asks for another password', 'auth', ['--requirepass', 'right'], (url) => url.replace('//', '//:wrong@')],
    ['asks for a password', 'auth', ['--requirepass', 'right'], (url) => url],
    ['is a replica', 'readonly', ['--replicaof', '127.0.0.1', '1'], (url) => url],
    ['is part of a cluster', 'cluster', ['--cluster-enabled', 'yes'], (url) => url],
    ['does not speak TLS', 'unreachable', [], (url) => url.replace('redis:', 'rediss:')],
  ])(`that %s is told as "%s"${needs}`, async (_name, trouble, options, urlOf) => {
    await using store = await startRedisServer(options);
    const { take, troubles } = await open(urlOf(store.url));
    expect(troubles()).toEqual([trouble]);
    expect((await take()).kind).toBe('taken');
  });

  it(`lets in whoever has its password, by user or without, and keeps nothing for good${needs}`, async () => {
    await using store = await startRedisServer(['--requirepass', 'p@ss/word', '--user', ...GATE]);
    for (const who of [':p%40ss%2Fword', 'gate:pw']) {
      const { take, troubles } = await open(store.url.replace('//', `//${who}@`));
      expect(troubles()).toEqual(['up']);
      expect((await take()).kind).toBe('taken');
      await shared!.close();
    }
  });

  it(`that has no memory left counts on: it is little, and goes by itself${needs}`, async () => {
    await using store = await startRedisServer(['--maxmemory', '1']);
    const { take, troubles, events } = await open(store.url);
    const kinds = [await take(), await take(), await take(), await take(), await take()].map(({ kind }) => kind);
    expect(kinds).toEqual(['taken', 'taken', 'taken', 'taken', 'refused']);
    expect([troubles(), events.count('storeMissed')]).toEqual([['up'], 0]);
  });

  it(`has every key go by itself, and none that tells a name${needs}`, async () => {
    await using store = await startRedisServer();
    const { take, troubles } = await open(store.url);
    const taking = await take();
    expect([troubles(), taking.kind]).toEqual([['up'], 'taken']);
    const keys = (await store.ask('KEYS', '*')).match(/odd:\S+/g) ?? [];
    expect(keys.map((key) => key.replace(/\{[0-9a-f]{32}\}/, '{…}')).toSorted()).toEqual([
      'odd:{gateways}',
      'odd:{…}:places',
      'odd:{…}:used',
    ]);
    for (const key of keys) {
      const ttl = Number((await store.ask('PTTL', key)).slice(1));
      expect(ttl).toBeGreaterThan(5_000);
      expect(ttl).toBeLessThanOrEqual(75_000);
    }
    if (taking.kind === 'taken') taking.hold.settle(0, systemClock.now());
    await shared!.close();
    // The place is free, and nobody is there any more.
    expect((await store.ask('KEYS', '*')).match(/odd:\S+/g)).toHaveLength(1);
  });

  it(`that forgets everything is taught again, and one that was away is used again${needs}`, async () => {
    await using store = await startRedisServer();
    const { take, troubles, events } = await open(store.url);
    await store.ask('SCRIPT', 'FLUSH');
    expect((await take()).kind).toBe('taken');
    expect([troubles(), events.count('storeMissed')]).toEqual([['up'], 0]);
    await store.kill();
    await until(() => troubles().length === 2, 'it is gone');
    await store.restart();
    await until(() => troubles().length === 3, 'it is back');
    expect(troubles()).toEqual(['up', 'unreachable', 'up']);
    expect((await take()).kind).toBe('taken');
  });
});
