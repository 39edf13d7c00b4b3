import { expect, test } from 'vitest';
import { RecordKeeper, type SharedBudgets } from '../../../gateway/usage/record-keeper.ts';
import { UsageBook } from '../../../gateway/usage/usage-book.ts';
import type { UsageRecords } from '../../../gateway/state/store/ports.ts';
import type { Exchanged, StoreTrouble } from '../../../gateway/state/store/words.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const WELL: Exchanged = { grants: [], database: 'here', spent: null, processes: null };
type Place = Pick<UsageRecords, 'kind' | 'place'>;
const FILE: Place = { kind: 'file', place: 'headgate.db' };
const SERVER: Place = { kind: 'server', place: 'the database at db.example/headgate' };

/** A store that does as it is told; what it has written, by the numbers of batches. */
function scene(mostRows?: number, shared: SharedBudgets | null = null, place = FILE) {
  const clock = createFakeClock();
  const usage = new UsageBook(mostRows);
  const written = new Map<number, number>();
  const state = { trouble: null as StoreTrouble | null, asked: 0, isSlow: false, processes: null as number | null };
  const lines: string[] = [];
  const tell = (event: string, message: string): void => void lines.push(`${event}: ${message}`);
  const keeper = new RecordKeeper({
    clock,
    log: { info: tell, warn: tell, error: tell },
    holder: 'one',
    usage,
    budgets: { isQuiet: true, spends: () => [], wants: () => [], told: () => {}, toldOfMachine: () => {} },
    shared: () => shared,
    records: {
      ...place,
      async exchange({ batch, asksSpent }) {
        state.asked++;
        if (state.isSlow) await new Promise(() => {});
        if (state.trouble !== null) return { ok: false, trouble: state.trouble, message: 'no' };
        const requests = batch.usage.reduce((sum, row) => sum + row.requests, 0);
        if (!written.has(batch.number)) written.set(batch.number, requests);
        return { ...WELL, spent: asksSpent ? [] : null, processes: state.processes };
      },
      usage: () => Promise.resolve([]),
    },
  });
  const call = (key = 'app') => usage.add(key, 'm', { input: 3, output: 2, cached: null }, clock.wall());
  const requests = () => [...written.values()].reduce((sum, each) => sum + each, 0);
  return { clock, usage, keeper, state, lines, call, requests };
}

test('opens the file at once, writes once a second what there is, and asks nothing where there is none', async () => {
  const { clock, keeper, state, call, requests } = scene();
  expect(state.asked).toBe(0);
  keeper.begin();
  keeper.begin();
  await clock.advance(0);
  expect(state.asked).toBe(1);
  await clock.advance(5_000);
  expect(state.asked).toBe(1);
  call();
  call();
  await clock.advance(1_000);
  expect([state.asked, requests()]).toEqual([2, 2]);
});

test('a file that cannot be used is told once, tried less and less often, and has everything in the end', async () => {
  const { clock, keeper, state, lines, call, requests } = scene();
  state.trouble = 'full';
  keeper.begin();
  for (let i = 0; i < 300; i++) {
    call();
    await clock.advance(1_000);
  }
  expect(state.asked).toBeLessThan(15);
  expect(lines).toEqual([
    'database.away: headgate.db cannot be used: no. Calls are served; what they use is kept in memory, and written when that is possible again. What helps: make room on the disk that database.url lies on.',
  ]);
  expect(keeper.isAway).toBe(true);
  state.trouble = null;
  await clock.advance(120_000);
  expect(requests()).toBe(300);
  expect(lines.slice(1)).toEqual(['database.back: headgate.db can be used again; nothing is missing.']);
});

test('a file that is locked for a moment is no trouble', async () => {
  const { clock, keeper, state, lines, call } = scene();
  keeper.begin();
  call();
  state.trouble = 'locked';
  await clock.advance(1_000);
  state.trouble = null;
  await clock.advance(5_000);
  expect(lines).toEqual([]);
  state.trouble = 'locked';
  call();
  await clock.advance(10_000);
  expect(lines).toHaveLength(1);
});

test('what waits to be written has a bound, beyond which requests are counted as lost', async () => {
  const { clock, keeper, state, lines, call, requests } = scene(3);
  state.trouble = 'corrupt';
  keeper.begin();
  await clock.advance(0);
  for (let i = 0; i < 10; i++) call(`app-${i}`);
  call('app-0');
  state.trouble = null;
  await clock.advance(60_000);
  expect(requests()).toBe(4);
  expect(lines.at(-1)).toBe(
    'database.back: headgate.db can be used again; the usage of 7 requests is missing, for which there was no room in memory.',
  );
});

test('whoever looks is told of what is not written, and does not wait for long', async () => {
  const { clock, keeper, state, call } = scene();
  keeper.begin();
  await clock.advance(0);
  call();
  expect(await keeper.flush()).toEqual([]);
  state.trouble = 'full';
  call();
  expect(await keeper.flush()).toMatchObject([{ key: 'app', requests: 1 }]);
  state.trouble = null;
  state.isSlow = true;
  const flushed = keeper.flush();
  await clock.advance(1_000);
  await flushed;
});

test('a file that answered before and keeps us waiting counts as away', async () => {
  const { clock, keeper, state } = scene();
  state.isSlow = true;
  keeper.begin();
  await clock.advance(1_000);
  // The first answer is waited for: nobody knows yet what was before.
  expect(keeper.isAway).toBe(false);
  const other = scene();
  other.keeper.begin();
  await other.clock.advance(0);
  other.state.isSlow = true;
  other.call();
  await other.clock.advance(1_100);
  expect(other.keeper.isAway).toBe(false);
  await other.clock.advance(100);
  expect(other.keeper.isAway).toBe(true);
});

test('the last batch is written at the end, or told as lost', async () => {
  const well = scene();
  well.keeper.begin();
  well.call();
  await well.keeper.close();
  expect(well.requests()).toBe(1);
  const full = scene();
  full.state.trouble = 'full';
  full.keeper.begin();
  full.call();
  await full.keeper.close();
  expect(full.lines.at(-1)).toContain('Usage of 1 requests could not be written to headgate.db.');
});

test('a server in which budgets meet is told all as soon as it may know nothing, and holds up no writing', async () => {
  const told: string[] = [];
  const shared = {
    isBlank: false,
    share: () => Promise.resolve([]),
    async tellAll(database: string) {
      told.push(database);
      shared.isBlank = false;
    },
  };
  const { clock, keeper, state, call, requests } = scene(undefined, shared);
  keeper.begin();
  await clock.advance(3_000);
  expect([state.asked, told]).toEqual([1, []]);
  shared.isBlank = true;
  await clock.advance(3_000);
  expect([state.asked, told]).toEqual([2, ['here']]);
  call();
  await clock.advance(1_000);
  expect(requests()).toBe(1);
  // It is asked where the file was.
  shared.isBlank = true;
  state.trouble = 'full';
  await clock.advance(1_000);
  expect(told).toHaveLength(1);
  state.trouble = null;
  await clock.advance(5_000);
  expect(told).toHaveLength(2);
});

test('a server is asked every five seconds though there is nothing to say, and again soon after it was away', async () => {
  const { clock, keeper, state } = scene(undefined, null, SERVER);
  state.processes = 3;
  expect(keeper.processes).toBe(null);
  keeper.begin();
  await clock.advance(20_500);
  expect(state.asked).toBe(5);
  expect(keeper.processes).toBe(3);
  state.trouble = 'unreachable';
  await clock.advance(60_000);
  const asked = state.asked;
  await clock.advance(60_000);
  expect(state.asked - asked).toBeGreaterThanOrEqual(10);
  expect(keeper.processes).toBe(3);
});

test.each([
  ['unreachable', 'see that the server runs and can be reached from here; it is tried again'],
  ['corrupt', 'look into the log of the server, and put its data back from a backup'],
  ['newer', 'run the newer version, or let database.url name another database'],
  ['unwritable', 'let database.url name the server that takes writes, and not a copy of it'],
] as const)('a server in trouble (%s) is told of as one', async (trouble, advice) => {
  const { clock, keeper, state, lines, call } = scene(undefined, null, SERVER);
  state.trouble = trouble;
  keeper.begin();
  await clock.advance(5_000);
  state.trouble = null;
  await clock.advance(10_000);
  expect(lines).toEqual([
    `database.away: The database at db.example/headgate cannot be used: no. Calls are served; what they use is kept in memory, and written when that is possible again. What helps: ${advice}.`,
    'database.back: The database at db.example/headgate can be used again; nothing is missing.',
  ]);
  state.trouble = trouble;
  call();
  await keeper.close();
  expect(lines.at(-1)).toBe('database.lost: Usage of 1 requests could not be written to the database at db.example/headgate.');
});
