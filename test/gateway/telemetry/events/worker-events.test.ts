import { describe, expect, it } from 'vitest';
import type { WorkerFailure } from '../../../../gateway/core/worker.ts';
import { createScene, directoryOf, MODEL, viewOf, workerOf } from './scene.ts';

const OOM: WorkerFailure = {
  class: 'oom-weights',
  phase: 'load',
  message: 'The model does not fit.',
  advice: 'Use a 4-bit version.',
  at: '2026-01-01T00:00:00.000Z',
};
const OTHER = 'gemma-3-12b-it';
const served = (id: string) => [{ id, root: null, parent: null, maxModelLen: null }];

describe("changes of a worker's view", () => {
  it('tell of a failure once, with its class and advice, and count it as one for want of memory', async () => {
    const scene = createScene();
    const before = viewOf({ state: 'starting' });
    const after = viewOf({ state: 'backoff', lastFailure: OOM });
    scene.events.workerChanged(after, before);
    scene.events.workerChanged({ ...after, etaSeconds: 4 }, after);
    expect(scene.lines('worker.failure')).toEqual([
      expect.objectContaining({ level: 'warn', worker: 'w0', class: 'oom-weights', phase: 'load', advice: 'Use a 4-bit version.' }),
    ]);
    expect(scene.lines('worker.state').map(({ level, state, previous_state }) => [level, state, previous_state])).toEqual([
      ['warn', 'backoff', 'starting'],
    ]);
    expect(await scene.counted('worker_oom_total')).toEqual({ 'worker_oom_total{worker="w0",class="weights"}': 1 });
  });

  it('tell of a failure once though the worker changes its model to and fro', async () => {
    const scene = createScene();
    const mine = viewOf({ models: served(MODEL), lastFailure: OOM, degradation: [{ setting: 'a', from: '2', to: '1', reason: 'so' }] });
    const other = viewOf({ models: served(OTHER) });
    const views = [
      viewOf({ models: served(MODEL) }),
      mine,
      other,
      mine,
      other,
      mine,
      { ...mine, lastFailure: { ...OOM, at: '2026-01-01T00:01:00.000Z' } },
    ];
    views.slice(1).forEach((view, index) => scene.events.workerChanged(view, views[index]!));
    expect(await scene.counted('worker_oom_total')).toEqual({ 'worker_oom_total{worker="w0",class="weights"}': 2 });
    expect(scene.lines('worker.failure')).toHaveLength(2);
    expect(scene.lines('worker.degraded')).toHaveLength(1);
  });

  it('do not count a failure of another kind as one for want of memory', async () => {
    const scene = createScene();
    scene.events.workerChanged(viewOf({ state: 'failed', lastFailure: { ...OOM, class: 'config-error' } }), viewOf());
    expect(await scene.counted('worker_oom_total')).toEqual({});
    expect(scene.lines('worker.failure')[0]).toMatchObject({ level: 'error', class: 'config-error' });
  });

  it('count a restart after a failure under its class and one that was asked for as requested', async () => {
    const scene = createScene();
    const failed = viewOf({ state: 'backoff', lastFailure: OOM });
    scene.events.workerChanged(viewOf({ state: 'starting', restarts: 1, lastFailure: OOM }), failed);
    scene.events.workerChanged(
      viewOf({ state: 'starting', restarts: 2, lastFailure: OOM }),
      viewOf({ state: 'stopping', restarts: 1, lastFailure: OOM }),
    );
    expect(await scene.counted('worker_restarts_total')).toEqual({
      'worker_restarts_total{worker="w0",reason="oom-weights"}': 1,
      'worker_restarts_total{worker="w0",reason="requested"}': 1,
    });
  });

  it('count nothing that happened before the gateway was there', async () => {
    const scene = createScene();
    const before = { ...OOM, at: '2025-12-31T23:59:59.000Z' };
    scene.events.workerChanged(viewOf({ restarts: 7, lastFailure: before, startedAtMs: 0 }), null);
    expect(await scene.counted('worker_restarts_total')).toEqual({});
    expect(await scene.counted('worker_oom_total')).toEqual({});
    expect(await scene.samples('worker_start_seconds_count')).toEqual({ worker_start_seconds_count: 0 });
  });

  it('count a failure with which a worker is first seen', async () => {
    const scene = createScene();
    scene.events.workerChanged(viewOf({ state: 'starting', lastFailure: OOM }), null);
    expect(await scene.counted('worker_oom_total')).toEqual({ 'worker_oom_total{worker="w0",class="weights"}': 1 });
  });

  it('measure a start from the launch to being ready', async () => {
    const scene = createScene();
    const startedAtMs = scene.clock.wall();
    await scene.clock.advance(42_000);
    scene.events.workerChanged(viewOf({ startedAtMs }), viewOf({ state: 'warming', stage: 'warmup', startedAtMs }));
    scene.events.workerChanged(viewOf({ startedAtMs }), viewOf({ state: 'draining', startedAtMs }));
    expect(await scene.samples('worker_start_seconds_')).toMatchObject({ worker_start_seconds_sum: 42, worker_start_seconds_count: 1 });
  });

  it('tell of settings relaxed, and of settings given back', () => {
    const scene = createScene();
    const plain = viewOf();
    const relaxed = viewOf({ degradation: [{ setting: 'max_model_len', from: '8192', to: '4096', reason: 'the KV cache was too small' }] });
    scene.events.workerChanged(relaxed, plain);
    scene.events.workerChanged(relaxed, relaxed);
    scene.events.workerChanged(plain, relaxed);
    expect(scene.lines('worker.degraded').map(({ level, degradation }) => [level, degradation])).toEqual([
      ['warn', ['max_model_len 8192 -> 4096: the KV cache was too small']],
      ['info', []],
    ]);
  });

  it('count a swap when a worker is ready with another model, from leaving the old one', async () => {
    const scene = createScene({ directory: directoryOf([workerOf()], [MODEL, OTHER]) });
    const first = viewOf();
    const between = viewOf({ state: 'starting', stage: 'process', models: served(OTHER) });
    const second = viewOf({ models: served(OTHER) });
    scene.events.workerChanged(first, null);
    scene.events.workerChanged(between, first);
    await scene.clock.advance(25_000);
    scene.events.workerChanged(second, between);
    expect(await scene.samples('model_swaps_total')).toEqual({ [`model_swaps_total{from="${MODEL}",to="${OTHER}"}`]: 1 });
    expect(await scene.samples('model_swap_seconds_sum')).toEqual({ model_swap_seconds_sum: 25 });
  });

  it('take a change of model for no restart', async () => {
    const scene = createScene();
    scene.events.workerChanged(viewOf({ state: 'starting', restarts: 3, models: served(OTHER) }), viewOf({ state: 'stopping' }));
    expect(await scene.counted('worker_restarts_total')).toEqual({});
  });

  it('take a restart with the same model for no swap', async () => {
    const scene = createScene();
    scene.events.workerChanged(viewOf(), null);
    scene.events.workerChanged(viewOf({ state: 'starting' }), viewOf());
    scene.events.workerChanged(viewOf(), viewOf({ state: 'starting' }));
    expect(await scene.samples('model_swaps_total')).toEqual({});
  });
});

describe('a worker that has vanished', () => {
  it('leaves the page with every series of its own', async () => {
    const workers = [workerOf(viewOf({ id: 'w0' })), workerOf(viewOf({ id: 'w1' }))];
    const scene = createScene({ directory: directoryOf(workers) });
    for (const id of ['w0', 'w1']) {
      scene.metrics.counters.routed_requests_total.add(1, id);
      scene.events.breakerChanged(id, 'closed', 'open', 'consecutive');
    }
    const withBoth = Object.keys(await scene.samples()).filter((name) => name.includes('worker="w1"'));
    expect(withBoth).toContain('routed_requests_total{worker="w1"}');
    expect(withBoth).toContain('worker_ready{worker="w1"}');
    workers.pop();
    const page = Object.keys(await scene.samples());
    expect(page.filter((name) => name.includes('w1'))).toEqual([]);
    expect(page).toContain('routed_requests_total{worker="w0"}');
  });
});
