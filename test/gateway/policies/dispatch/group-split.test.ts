import { describe, expect, test } from 'vitest';
import { GroupSplit, type Split } from '../../../../gateway/policies/dispatch/group-split.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { die, fail500, good, kindOf, once, setUp, textOf } from './dispatch-scene.ts';

const CALL = fakeCall();
const hasRoom = () => false;

function scene(groups: readonly string[], split?: Split) {
  const workers = groups.map((group, i) => new FakeWorker(`w${i}`, { group }));
  const groupSplit = new GroupSplit(seededRandom(7), new FakeDirectory(createFakeClock(), workers));
  if (split) groupSplit.split = split;
  const idsKept = (keyOf: () => string | null = () => null, isAgain = false) =>
    groupSplit.keep(workers, CALL, isAgain, keyOf, hasRoom).map(({ id }) => id);
  return { workers, split: groupSplit, idsKept };
}

const onTrial = (share: number): Split => ({ base: 'main', onTrial: { group: 'canary', share } });

/** The share of `count` calls that went on trial. */
function shareOf({ idsKept }: ReturnType<typeof scene>, count: number, keyOf?: (i: number) => string): number {
  let tried = 0;
  for (let i = 0; i < count; i++) if (idsKept(keyOf ? () => keyOf(i) : undefined).includes('w1')) tried++;
  return tried / count;
}

describe('with one group', () => {
  test('the list itself is left', () => {
    const { split, workers } = scene(['main', 'main']);
    expect(split.keep(workers, CALL, false, () => null, hasRoom)).toBe(workers);
    expect(split.sum(workers, () => 4)).toBe(8);
  });

  test('whatever it is called: nobody is refused because none is of main', () => {
    expect(scene(['blue', 'blue']).idsKept()).toEqual(['w0', 'w1']);
  });
});

describe('while nothing is on trial', () => {
  test('workers of another group get nothing, and none of their places are counted', () => {
    const { split, workers, idsKept } = scene(['main', 'canary', 'main']);
    expect(idsKept()).toEqual(['w0', 'w2']);
    expect(split.sum(workers, () => 4)).toBe(8);
  });

  test('but where no worker of main is left', () => {
    const { split, workers } = scene(['main', 'canary']);
    expect(split.keep([workers[1]!], CALL, false, () => null, hasRoom)).toEqual([workers[1]]);
    expect(split.sum([workers[1]!], () => 4)).toBe(4);
  });

  test('a group that has been promoted is the base', () => {
    const { split, workers, idsKept } = scene(['main', 'canary'], { base: 'canary', onTrial: null });
    expect(idsKept()).toEqual(['w1']);
    expect(split.keep([workers[0]!], CALL, false, () => null, hasRoom)).toEqual([workers[0]]);
  });
});

describe('on trial', () => {
  test.each([0.1, 0.5, 0.9])('a group gets its share, %d', (share) => {
    expect(shareOf(scene(['main', 'canary'], onTrial(share)), 20_000)).toBeCloseTo(share, 1.5);
  });

  test('all of it gets all, and none of it nothing', () => {
    expect(shareOf(scene(['main', 'canary'], onTrial(1)), 500)).toBe(1);
    expect(shareOf(scene(['main', 'canary'], onTrial(0)), 500)).toBe(0);
  });

  test('a conversation stays with its group, also when the share grows', () => {
    const t = scene(['main', 'canary'], onTrial(0.1));
    const groupOf = (key: string) => t.idsKept(() => key).includes('w1');
    const keys = Array.from({ length: 400 }, (_, i) => `conversation ${i}`);
    const before = keys.filter(groupOf);
    expect(before.length / keys.length).toBeGreaterThan(0.05);
    expect(before.length / keys.length).toBeLessThan(0.15);
    t.split.split = onTrial(0.5);
    const after = new Set(keys.filter(groupOf));
    // Those that the bound moved are few.
    expect(before.filter((key) => !after.has(key)).length).toBeLessThanOrEqual(3);
    expect(keys.filter(groupOf).filter((key) => !after.has(key)).length).toBeLessThan(0.05 * keys.length);
  });

  test.each(['one prefix', 'another prefix'])('where all calls have %s the share is kept all the same', (key) => {
    for (const share of [0.1, 0.5]) {
      const got = shareOf(scene(['main', 'canary'], onTrial(share)), 4_000, () => key);
      expect(got).toBeGreaterThan(0.74 * share);
      expect(got).toBeLessThan(1.26 * share);
    }
  });

  test('a call that has been tried goes to main, and where main is away to whoever is there', () => {
    const { split, workers, idsKept } = scene(['main', 'canary'], onTrial(1));
    expect(idsKept(undefined, true)).toEqual(['w0']);
    expect(split.keep([workers[1]!], CALL, true, () => null, hasRoom)).toEqual([workers[1]]);
    // And where the group on trial is away all goes to main.
    expect(split.keep([workers[0]!], CALL, false, () => null, hasRoom)).toEqual([workers[0]]);
  });

  test.each([
    { share: 0.1, places: 13 },
    { share: 0.5, places: 24 },
    { share: 1, places: 12 },
  ])('admits at $share what fills neither group beyond its places', ({ share, places }) => {
    const { split, workers } = scene(['main', 'canary'], onTrial(share));
    expect(split.sum(workers, () => 12)).toBe(places);
    expect(split.sum([workers[0]!], () => 12)).toBe(12);
    expect(split.sum([workers[1]!], () => 12)).toBe(12);
  });

  test('a group without room gets nothing, and is no measure, while main is there', () => {
    for (const share of [0.1, 1]) {
      const { split, workers } = scene(['main', 'canary'], onTrial(share));
      const isFull = ({ id }: { id: string }) => id === 'w1';
      expect(split.keep(workers, CALL, false, () => null, isFull)).toEqual([workers[0]]);
      expect(split.sum(workers, ({ id }) => (id === 'w1' ? 0 : 12))).toBe(12);
    }
  });

  test('where main has no room its share of calls is not admitted', () => {
    const sum = (share: number) => {
      const { split, workers } = scene(['main', 'canary'], onTrial(share));
      return split.sum(workers, ({ id }) => (id === 'w0' ? 0 : 12));
    };
    expect([sum(0.1), sum(1)]).toEqual([0, 12]);
  });

  test('follows workers that come later', () => {
    const [first, second] = [new FakeWorker('w0', { group: 'main' }), new FakeWorker('w1', { group: 'canary' })];
    const directory = new FakeDirectory(createFakeClock(), [first]);
    const split = new GroupSplit(seededRandom(7), directory);
    directory.setWorkers([first, second]);
    expect(split.keep([first, second], CALL, false, () => null, hasRoom)).toEqual([first]);
  });
});

describe('a call that fails on trial', () => {
  /** All calls go on trial first; w0 is main. */
  function setTrial(setup: Parameters<typeof setUp>[0] = {}) {
    const t = setUp(setup);
    t.workers[1]!.view = { ...t.workers[1]!.view, group: 'canary' };
    t.dispatch.groups.split = onTrial(1);
    return t;
  }

  test.each([
    ['an answer that is a failure', fail500],
    ['its death', die],
  ])('is answered by main after %s, though nothing may be retried', async (_, failure) => {
    const t = setTrial({ max_attempts: 1, budget_ratio: 0 });
    const sent = await t.sendTo(once(failure));
    expect(textOf(sent)).toContain('Yes.');
    expect(sent.call.attempts.map(({ worker }) => worker)).toEqual(['w1', 'w0']);
  });

  test('though the same has failed before', async () => {
    const t = setTrial();
    const text = '{"model":"m","seed":7}';
    for (let i = 0; i < 3; i++) expect(textOf(await t.sendTo(once(fail500), fakeCall({ text })))).toContain('Yes.');
  });

  test('fails when main does, too', async () => {
    const t = setTrial({ max_attempts: 1, budget_ratio: 0 });
    expect(kindOf(await t.sendTo(fail500))).toBe('upstream_error');
    expect(t.asked()).toEqual([1, 1]);
  });

  test.each([
    ['rolled back', 'main'],
    ['promoted', 'canary'],
  ])('while its group is %s is answered by main all the same', async (_, base) => {
    const t = setTrial({ max_attempts: 1, budget_ratio: 0 });
    const sent = await t.sendTo(
      once((exchange) => {
        t.dispatch.groups.split = { base, onTrial: null };
        fail500(exchange);
      }),
    );
    expect(textOf(sent)).toContain('Yes.');
  });

  test('is no reason for more attempts once nothing is on trial', async () => {
    const t = setTrial({ max_attempts: 1 });
    t.dispatch.groups.split = { base: 'canary', onTrial: null };
    expect(kindOf(await t.sendTo(fail500))).toBe('upstream_error');
    expect(t.asked()).toEqual([0, 1]);
    await t.sendTo(good);
    expect(t.asked()).toEqual([0, 2]);
  });
});
