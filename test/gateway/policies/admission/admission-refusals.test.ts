import { describe, expect, test } from 'vitest';
import type { ErrorKind } from '../../../../gateway/core/errors.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { refusal, setUp } from './admission-scene.ts';

describe('refusals', () => {
  test('the bound is looked at before a call is added: the one too many is refused at once', async () => {
    const t = setUp({ max_queue: 3 });
    t.enter({ id: 'running' });
    for (let i = 0; i < 3; i++) t.enter();
    const error = await refusal(t.enter());
    expect(error.kind).toBe('queue_full');
    expect(error.status).toBe(503);
    expect(t.admission.depth('interactive')).toBe(3);
  });

  test('with a bound of 0 nobody waits, and whoever finds a place enters', async () => {
    const t = setUp({ max_queue: 0 });
    t.enter({ id: 'a' });
    expect((await refusal(t.enter())).kind).toBe('queue_full');
    t.leave('a');
    t.enter({ id: 'b' });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
  });

  test('both priorities share the bound', async () => {
    const t = setUp({ max_queue: 2 });
    t.enter();
    t.enter({ priority: 'batch' });
    t.enter({ priority: 'batch' });
    expect((await refusal(t.enter())).kind).toBe('queue_full');
  });

  test('status 429 says slow_down and rate_limit_error, full or too late', async () => {
    const t = setUp({ max_queue: 1, reject_status: 429, queue_timeout_ms: 50 });
    t.enter();
    const late = t.enter();
    const full = await refusal(t.enter());
    await t.clock.advance(50);
    for (const error of [full, await refusal(late)]) {
      expect([error.status, error.details.type, error.details.code]).toEqual([429, 'rate_limit_error', 'slow_down']);
    }
  });

  test('when every worker’s cache is full, new calls are refused at once, with 503 whatever reject_status says', async () => {
    const t = setUp({ slots: 8, reject_status: 429 });
    Object.assign(t.workers[0]!.load, { scrapedAt: t.clock.now(), kvUsage: 0.97, waiting: 3 });
    const error = await refusal(t.enter());
    expect(error.kind).toBe('kv_pressure');
    expect(error.status).toBe(503);
    expect(error.details.retryAfterMs).toBeGreaterThan(0);
  });

  test.each<{
    state: 'loading' | 'failed' | 'available' | 'ready';
    eta: number | null;
    kind: ErrorKind;
    retryAfterMs: number;
    hopeless?: true;
    says: RegExp;
  }>([
    { state: 'loading', eta: 42, kind: 'model_loading', retryAfterMs: 42_000, says: /in about 42 s/ },
    { state: 'loading', eta: null, kind: 'model_loading', retryAfterMs: 5_000, says: /is loading\.$/ },
    { state: 'failed', eta: null, kind: 'no_worker', retryAfterMs: 60_000, hopeless: true, says: /failed to start/ },
    { state: 'available', eta: null, kind: 'no_worker', retryAfterMs: 5_000, says: /No worker/ },
  ])(
    'with no worker ready, a model that is $state (ETA $eta) is refused as $kind',
    async ({ state, eta, kind, retryAfterMs, hopeless, says }) => {
      const t = setUp({ workers: [new FakeWorker('w0', { state: 'starting' })] });
      t.directory.setModel(MODEL, state, eta);
      const error = await refusal(t.enter());
      expect(error.kind).toBe(kind);
      expect(error.status).toBe(503);
      expect(error.details.retryAfterMs).toBe(retryAfterMs);
      expect(error.details.hopeless ?? false).toBe(hopeless ?? false);
      expect(error.message).toMatch(says);
    },
  );

  test('where listed workers cannot be reached, nobody is told that anything is being loaded', async () => {
    const lastFailure = { class: 'unreachable', phase: 'serving', message: 'It refuses connections.', advice: '', at: '' };
    const workers = [0, 1].map((n) => new FakeWorker(`w${n}`, { state: 'starting', lastFailure }));
    const t = setUp({ workers });
    t.directory.setModel(MODEL, 'loading', null, false);
    expect(await refusal(t.enter())).toMatchObject({ kind: 'no_worker', message: expect.stringContaining('cannot be reached') });
    // One of them may yet come.
    workers[0]!.view = { ...workers[0]!.view, lastFailure: null };
    expect(await refusal(t.enter())).toMatchObject({ kind: 'model_loading' });
  });

  test('the time to come back grows with the line', async () => {
    const t = setUp({ max_queue: 0 });
    t.enter({ id: 'first' });
    await t.clock.advance(2_000);
    t.leave('first');
    t.enter();
    const waits: number[] = [];
    for (const max_queue of [0, 5, 20, 80]) {
      t.settings.max_queue = max_queue;
      while (t.admission.depth('interactive') < max_queue) t.enter();
      waits.push((await refusal(t.enter())).details.retryAfterMs!);
    }
    expect(waits).toEqual([2_000, 12_000, 42_000, 162_000]);
  });

  test('a call whose wait would be more than twice what it may be is refused at once, given evidence', async () => {
    const t = setUp({ queue_timeout_ms: 10_000 });
    for (let i = 0; i < 20; i++) {
      t.enter({ id: `served ${i}` });
      await t.clock.advance(5_000);
      t.leave(`served ${i}`);
    }
    t.enter();
    const waiting = [t.enter(), t.enter(), t.enter()];
    await t.settle();
    expect(t.admission.depth('interactive')).toBe(waiting.length);
    t.enter();
    const error = await refusal(t.enter());
    expect(error.kind).toBe('queue_timeout');
    expect(error.message).toMatch(/about 25 s/);
  });

  test('without evidence nobody is refused by an estimate', async () => {
    const t = setUp({ queue_timeout_ms: 10 });
    for (let i = 0; i < 50; i++) t.enter();
    await t.settle();
    expect(t.admission.depth('interactive')).toBe(49);
  });
});
