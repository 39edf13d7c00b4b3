import { expect, test } from 'vitest';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { askStore, storeTroubles } from '../../../scripts/commands/looking/ask-store.ts';
import { freePort } from '../../support/ports.ts';
import { NO_REDIS_SERVER, startRedisServer } from '../../support/redis-server.ts';

const stateOf = (url: string | null) => settingsSchema.parse({ state: { url } }).state;

test('a store that is away is told, with what holds without it; one that nobody names is no trouble', async () => {
  const state = stateOf(`redis://127.0.0.1:${await freePort()}`);
  const store = await askStore(state, systemClock);
  expect(store).toMatchObject({ isUp: false, trouble: 'unreachable' });
  expect(storeTroubles(store, state)).toEqual([
    expect.stringMatching(
      /^The store of state\.url .* cannot be reached .* Without it each gateway keeps to its share of limits and budgets /,
    ),
  ]);
  expect(await askStore(stateOf(null), systemClock)).toBeNull();
  expect(storeTroubles(null, state)).toEqual([]);
});

test.skipIf(NO_REDIS_SERVER !== null)('a store that answers is left as it was; one that hangs is given up', async () => {
  await using server = await startRedisServer();
  const state = stateOf(server.url);
  const store = await askStore(state, systemClock);
  expect(store).toMatchObject({ isUp: true });
  expect(storeTroubles(store, state)).toEqual([]);
  expect(await server.ask('DBSIZE')).toContain(':0');
  server.pause();
  expect(await askStore(state, systemClock)).toMatchObject({ isUp: false, trouble: 'timeout' });
  server.resume();
});
