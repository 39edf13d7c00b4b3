import { describe, expect, test } from 'vitest';
import { Canary } from '../../../gateway/canary/canary.ts';
import { presetCriteria } from '../../../gateway/canary/criteria.ts';
import type { CanaryStart } from '../../../gateway/canary/order.ts';
import { newAttempt, type Verdict } from '../../../gateway/core/attempt.ts';
import type { BreakerState } from '../../../gateway/core/events.ts';
import { GroupSplit } from '../../../gateway/policies/dispatch/group-split.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const START: CanaryStart = { action: 'start', group: 'canary', steps: [10, 50, 100], stepSeconds: 20, criteria: presetCriteria('team') };

function scene({ groups = ['main', 'canary'], isOneOfSeveral = false } = {}) {
  const clock = createFakeClock();
  const events = new RecordedEvents();
  const workers = groups.map((group, i) => new FakeWorker(`w${i}`, { group }));
  const directory = new FakeDirectory(clock, workers);
  const split = new GroupSplit(seededRandom(5), directory);
  const breakers = new Map<string, { state: BreakerState }>();
  let isWatched = false;
  const canary = new Canary({
    ...{ clock, events, directory, split, isOneOfSeveral },
    breakers: () => breakers,
    watch: (isOn) => (isWatched = isOn),
  });

  /** A call that a worker has answered, `ttftMs` after it was sent, or not. */
  function call(worker: string, ttftMs: number, verdict: Verdict = { kind: 'success' }): void {
    const asked = fakeCall({ stream: true });
    const attempt = newAttempt(worker, null);
    asked.attempts.push(attempt);
    canary.routed(asked, worker);
    const now = clock.now();
    Object.assign(attempt, { verdict, firstByteAt: now + ttftMs, lastByteAt: now + 10 * ttftMs, outputTokens: 10 });
    canary.attemptEnded(asked, attempt);
  }

  /** A call that a worker has been sent. @returns what ends it well */
  function begin(worker: string): (() => void) & { giveUp: () => void } {
    const asked = fakeCall({ stream: true });
    const attempt = newAttempt(worker, null);
    asked.attempts.push(attempt);
    canary.routed(asked, worker);
    const end = (): void => {
      const now = clock.now();
      Object.assign(attempt, { verdict: { kind: 'success' }, firstByteAt: now + 50, lastByteAt: now + 500, outputTokens: 10 });
      canary.attemptEnded(asked, attempt);
    };
    return Object.assign(end, { giveUp: () => canary.requestEnded(asked) });
  }

  /** Seconds in which as many calls go as the split says, ten a second. */
  async function seconds(count: number, ttft: { main: number; canary: number }, verdict?: Verdict): Promise<void> {
    for (let i = 0; i < count && canary.status().state === 'running'; i++) {
      for (let n = 0; n < 10; n++) {
        const [worker] = split.keep(
          workers,
          fakeCall(),
          false,
          () => null,
          () => false,
        );
        const isCanary = worker!.view.group === 'canary';
        call(worker!.id, isCanary ? ttft.canary : ttft.main, isCanary ? verdict : undefined);
      }
      await clock.advance(1_000);
    }
  }

  const results = () => events.of('canaryChanged').map(([change]) => (change as { result: string }).result);
  return { canary, clock, events, workers, directory, split, breakers, seconds, call, begin, results, isWatched: () => isWatched };
}

describe('a canary that is as good', () => {
  test('gets more step by step, and then all, until the list of workers changes', async () => {
    const t = scene();
    expect(t.canary.status()).toMatchObject({ state: 'none', serving: 'main', group: null });
    expect(t.canary.obey(START)).toMatchObject({ kind: 'accepted', status: { state: 'running', percent: 10, step: { number: 1, of: 3 } } });
    expect(t.isWatched()).toBe(true);
    // 10 % of 10 a second: 30 calls take about 30 s, longer than the step was to take.
    await t.seconds(21, { main: 50, canary: 50 });
    expect(t.canary.status()).toMatchObject({ percent: 10 });
    await t.seconds(150, { main: 50, canary: 50 });
    expect(t.results()).toEqual(['started', 'step', 'step', 'promoted']);
    expect(t.split.split).toEqual({ base: 'canary', onTrial: null });
    expect(t.canary.status()).toMatchObject({ state: 'promoted', serving: 'canary', percent: 0 });
    expect(t.canary.status().history).toHaveLength(4);
    expect(t.isWatched()).toBe(false);
    expect(t.clock.pending).toBe(0);

    t.canary.workersChanged();
    expect(t.split.split).toEqual({ base: 'main', onTrial: null });
    expect(t.canary.status()).toMatchObject({ state: 'aborted', serving: 'main' });
  });

  test('is promoted, or ended, by an operator', () => {
    const t = scene();
    t.canary.obey(START);
    expect(t.canary.obey({ action: 'promote' })).toMatchObject({ status: { state: 'promoted', serving: 'canary' } });
    expect(t.canary.obey(START)).toMatchObject({ kind: 'conflict', message: 'The calls go to canary already.' });
    expect(t.canary.obey({ action: 'abort' })).toMatchObject({ status: { state: 'aborted', serving: 'main' } });
    expect(t.canary.obey({ action: 'abort' })).toMatchObject({ kind: 'conflict' });
    expect(t.canary.obey({ action: 'promote' })).toMatchObject({ kind: 'conflict' });
  });
});

describe('workers that change while it runs', () => {
  test('end it: what it was to be held against is not there any more', () => {
    const t = scene();
    t.canary.obey(START);
    t.canary.workersChanged();
    expect(t.canary.status()).toMatchObject({ state: 'aborted', serving: 'main', message: expect.stringContaining('list of workers') });
    expect(t.split.split).toEqual({ base: 'main', onTrial: null });
    expect([t.isWatched(), t.clock.pending]).toEqual([false, 0]);
  });

  test('leave no call open for ever that began at one which is gone', async () => {
    const t = scene({ groups: ['main', 'canary', 'canary'] });
    t.canary.obey(START);
    const gone = Array.from({ length: 12 }, () => t.begin('w2'));
    t.directory.setWorkers(t.workers.slice(0, 2));
    for (const end of gone) end();
    expect(t.canary.status().canary).toMatchObject({ calls: 12, failed: 0 });
    await t.seconds(60, { main: 50, canary: 50 });
    expect(t.results().slice(0, 2)).toEqual(['started', 'step']);
    expect(t.results()).not.toContain('rolled_back');
  });

  test('nor one that was given up in the middle of an attempt', async () => {
    const t = scene();
    t.canary.obey(START);
    for (let i = 0; i < 12; i++) t.begin('w1').giveUp();
    await t.seconds(60, { main: 50, canary: 50 });
    expect(t.results().slice(0, 2)).toEqual(['started', 'step']);
    expect(t.results()).not.toContain('rolled_back');
  });
});

describe('a canary is rolled back', () => {
  test('when it is slower, before its first step is over', async () => {
    const t = scene();
    t.canary.obey(START);
    await t.seconds(19, { main: 50, canary: 400 });
    expect(t.results()).toEqual(['started', 'rolled_back']);
    expect(t.canary.status().message).toMatch(/^All calls go to main again: canary was rolled back\. Its time to first token is too long/);
    expect(t.split.split).toEqual({ base: 'main', onTrial: null });
    expect(t.clock.pending).toBe(0);
  });

  test('when it fails', async () => {
    const t = scene();
    t.canary.obey(START);
    await t.seconds(19, { main: 50, canary: 50 }, { kind: 'failure', reason: 'upstream' });
    expect(t.canary.status().message).toMatch(/(\d+) of its \1 calls failed, and 0 of \d+ at the others\.$/);
  });

  test('when nobody asks its workers any more', async () => {
    const t = scene();
    t.canary.obey(START);
    t.breakers.set('w1', { state: 'open' });
    await t.clock.advance(2_500);
    expect(t.canary.status().state).toBe('running');
    t.breakers.set('w1', { state: 'closed' });
    await t.clock.advance(1_000);
    t.directory.setState(t.workers[1]!, 'starting');
    await t.clock.advance(3_000);
    expect(t.canary.status()).toMatchObject({ state: 'rolled_back', message: expect.stringContaining('None of its workers may be asked') });
  });

  test('when it has too few calls to be judged', async () => {
    const t = scene();
    t.canary.obey(START);
    await t.clock.advance(201_000);
    expect(t.canary.status()).toMatchObject({
      state: 'rolled_back',
      message: expect.stringContaining('0 calls in 200 s, and 30 are needed'),
    });
  });

  test('at 100 %, beside what the others came to before', async () => {
    const t = scene();
    t.canary.obey({ ...START, criteria: { ...START.criteria, limits: { ...START.criteria.limits, p95_ttft_ms: null, p95_e2e_ms: null } } });
    while (t.canary.status().percent < 100) await t.seconds(1, { main: 50, canary: 50 });
    await t.seconds(19, { main: 50, canary: 400 });
    expect(t.results()).toEqual(['started', 'step', 'step', 'rolled_back']);
  });
});

test('calls that say nothing of a worker are not counted', () => {
  const t = scene();
  t.canary.obey(START);
  t.call('w1', 50, { kind: 'neutral' });
  t.call('w9', 50);
  expect(t.canary.status().canary).toMatchObject({ calls: 0, failed: 0 });
});

test.each([
  [{ groups: ['main'] }, /No worker is of group canary; there is main\. Write group: canary/],
  [{ groups: ['canary'] }, /No worker is of group main/],
  [{ isOneOfSeveral: true }, /set server\.processes to 1/],
])('cannot begin with %j', (setup, message) => {
  expect(scene(setup).canary.obey(START)).toMatchObject({ kind: 'conflict', message: expect.stringMatching(message) });
});

test('cannot begin twice, nor before a worker of it is ready', () => {
  const t = scene();
  t.directory.setState(t.workers[1]!, 'starting');
  expect(t.canary.obey(START)).toMatchObject({ kind: 'conflict', message: expect.stringContaining('ready yet') });
  t.directory.setState(t.workers[1]!, 'ready');
  t.canary.obey(START);
  expect(t.canary.obey(START)).toMatchObject({ kind: 'conflict', message: expect.stringContaining('runs already') });
});
