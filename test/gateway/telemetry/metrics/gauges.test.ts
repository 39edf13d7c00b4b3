import { describe, expect, it } from 'vitest';
import type { LiveFigures } from '../../../../gateway/core/events.ts';
import { createScene, directoryOf, idleFigures, MODEL, snapshotOf, viewOf, workerOf } from '../events/scene.ts';

describe('gauges', () => {
  it('are read from the live figures at each scrape', async () => {
    let inFlight = 3;
    const figures: LiveFigures = {
      ...idleFigures,
      inFlight: () => inFlight,
      queueDepth: (priority) => (priority === 'batch' ? 7 : 2),
      windowMs: () =>
        new Map([
          [MODEL, 20],
          ['another', 0],
        ]),
      breakers: () => new Map([['w0', { state: 'half_open', consecutiveFailures: 0, openUntilMs: null }]]),
    };
    const scene = createScene({ figures });
    expect(await scene.samples()).toMatchObject({
      requests_in_flight: 3,
      'queue_depth{class="interactive"}': 2,
      'queue_depth{class="batch"}': 7,
      [`batch_window_ms{model="${MODEL}"}`]: 20,
      'breaker_state{worker="w0",state="closed"}': 0,
      'breaker_state{worker="w0",state="open"}': 0,
      'breaker_state{worker="w0",state="half_open"}': 1,
    });
    expect(await scene.samples('batch_window_ms{')).not.toHaveProperty('batch_window_ms{model="another"}');
    inFlight = 4;
    expect(await scene.samples('requests_in_flight')).toEqual({ requests_in_flight: 4 });
  });

  it('without labels are not there either where nothing is to be read of them', async () => {
    const without = createScene({ figures: { ...idleFigures, storeUp: () => null, batchLines: () => null } });
    expect(await without.samples('store_up')).toEqual({});
    expect([await without.samples('batch_lines_waiting'), await without.samples('batch_lines_running')]).toEqual([{}, {}]);
    let isUp: boolean | null = false;
    const scene = createScene({ figures: { ...idleFigures, storeUp: () => isUp } });
    expect(await scene.samples('store_up')).toEqual({ store_up: 0 });
    isUp = true;
    expect(await scene.samples('store_up')).toEqual({ store_up: 1 });
    isUp = null;
    expect(await scene.samples('store_up')).toEqual({});
  });

  it('tell of each place where workers are found', async () => {
    const sources = () => [true, false, null].map((isUp, n) => ({ source: `dns ${n}:80`, isUp, message: null, workers: 2 + n, ending: 0 }));
    const scene = createScene({ figures: { ...idleFigures, sources } });
    expect(await scene.samples('discovery_')).toEqual({
      ...{ 'discovery_up{source="dns 0:80"}': 1, 'discovery_up{source="dns 1:80"}': 0, 'discovery_up{source="dns 2:80"}': 0 },
      ...{
        'discovery_workers{source="dns 0:80"}': 2,
        'discovery_workers{source="dns 1:80"}': 3,
        'discovery_workers{source="dns 2:80"}': 4,
      },
    });
  });

  it('stop growing at a bound', async () => {
    const limitsUsed = () => Array.from({ length: 5000 }, (_, index) => ({ name: `key-${index}`, limit: 'day' as const, share: 1 }));
    const scene = createScene({ figures: { ...idleFigures, limitsUsed } });
    expect(Object.keys(await scene.samples('limit_used_ratio{'))).toHaveLength(2000);
  });

  it('show how far each worker has come, and its load once that has been read', async () => {
    const starting = workerOf(viewOf({ id: 'w0', state: 'starting', stage: 'model_loaded' }));
    const ready = workerOf(viewOf({ id: 'w1', degradation: [{ setting: 'max_model_len', from: '8192', to: '4096', reason: 'too big' }] }), {
      running: 5,
      waiting: 2,
      kvUsage: 0.25,
      kvCacheBytes: 4_000_000_000,
      scrapedAt: 1000,
    });
    const scene = createScene({ directory: directoryOf([starting, ready]) });
    await scene.clock.advance(750);
    expect(await scene.samples('worker_')).toMatchObject({
      'worker_ready{worker="w0"}': 0,
      'worker_ready{worker="w1"}': 1,
      'worker_stage{worker="w0",stage="process"}': 1,
      'worker_stage{worker="w0",stage="model_loaded"}': 1,
      'worker_stage{worker="w0",stage="cuda_graphs"}': 0,
      'worker_stage{worker="w1",stage="ready"}': 1,
      'worker_degradation_level{worker="w0"}': 0,
      'worker_degradation_level{worker="w1"}': 1,
      'worker_requests_running{worker="w1"}': 5,
      'worker_requests_waiting{worker="w1"}': 2,
      'worker_kv_cache_usage_ratio{worker="w1"}': 0.25,
      'worker_kv_cache_bytes{worker="w1"}': 1_000_000_000,
      'worker_scrape_age_seconds{worker="w1"}': 0.75,
    });
    expect(await scene.samples('worker_requests_running{worker="w0"')).toEqual({});
  });

  it('show the GPUs of the supervisor, leaving out what the driver does not say', async () => {
    const gpu = { uuid: 'GPU-1', name: 'Tesla T4', memoryTotalBytes: 16e9, utilization: 0.5, temperatureCelsius: 61, powerWatts: null };
    const scene = createScene({ supervisor: () => snapshotOf({ gpus: [{ ...gpu, index: 0, memoryUsedBytes: 12e9 }] }) });
    expect(await scene.samples('gpu_')).toEqual({
      'gpu_utilization_ratio{gpu="0"}': 0.5,
      'gpu_memory_used_bytes{gpu="0"}': 12e9,
      'gpu_memory_total_bytes{gpu="0"}': 16e9,
      'gpu_temperature_celsius{gpu="0"}': 61,
      'gpu_lease{gpu="0"}': 0,
    });
  });

  it('show which GPUs are lent, and for how long still', async () => {
    const gpu = { name: 'Tesla T4', memoryTotalBytes: 16e9, memoryUsedBytes: 1, utilization: 0, temperatureCelsius: 1, powerWatts: 1 };
    const gpus = [
      { ...gpu, index: 0, uuid: 'GPU-a' },
      { ...gpu, index: 1, uuid: 'GPU-b' },
    ];
    const lease = { id: 'l', holder: 'render', untilMs: 0, leftSeconds: 90, workers: [], freeBytes: null, message: '' };
    const leases = [
      { ...lease, gpu: 'GPU-b', index: 1, state: 'lent', over: null },
      { ...lease, gpu: 'GPU-a', index: 0, state: 'over', over: 'time', leftSeconds: 0 },
    ] as const;
    expect(await createScene({ supervisor: () => snapshotOf({ gpus, leases }) }).samples('gpu_lease')).toEqual({
      'gpu_lease{gpu="0"}': 0,
      'gpu_lease{gpu="1"}': 1,
      'gpu_lease_left_seconds{gpu="1"}': 90,
    });
  });

  it('keep the MIG instances of one card apart', async () => {
    const part = {
      index: 0,
      name: 'NVIDIA A100 MIG 3g.40gb',
      utilization: null,
      temperatureCelsius: 40,
      powerWatts: null,
      memoryUsedBytes: null,
    };
    const gpus = [
      { ...part, uuid: 'MIG-1111', memoryTotalBytes: 40e9 },
      { ...part, uuid: 'MIG-2222', memoryTotalBytes: 20e9 },
      { ...part, uuid: 'GPU-aaa', index: 1, memoryTotalBytes: 16e9 },
    ];
    expect(await createScene({ supervisor: () => snapshotOf({ gpus }) }).samples('gpu_memory_')).toEqual({
      'gpu_memory_total_bytes{gpu="MIG-1111"}': 40e9,
      'gpu_memory_total_bytes{gpu="MIG-2222"}': 20e9,
      'gpu_memory_total_bytes{gpu="1"}': 16e9,
    });
  });

  it('tell what runs and how each model is served', async () => {
    const args = ['gemma-3-12b-it-awq', '--dtype', 'half', '--quantization=awq', '--tensor-parallel-size', '2'];
    const gpu = {
      uuid: '',
      name: 'Tesla T4',
      memoryTotalBytes: 1,
      memoryUsedBytes: 1,
      utilization: 0,
      temperatureCelsius: 1,
      powerWatts: 1,
    };
    const gpus = [
      { ...gpu, index: 0 },
      { ...gpu, index: 1 },
    ];
    const scene = createScene({
      directory: directoryOf([workerOf(viewOf({ args })), workerOf(viewOf({ id: 'w1', args }))]),
      supervisor: () => snapshotOf({ gpus }),
    });
    expect(await scene.samples('model_info')).toEqual({
      [`model_info{model="${MODEL}",model_size="7b",dtype="half",quantization="awq",gpu="Tesla T4",tp="2",pp="1",profile="t4",tuning="balanced"}`]: 1,
    });
    expect(await scene.samples('build_info')).toEqual({ 'build_info{version="0.1.0",node="26.0.0"}': 1 });
    expect(await scene.samples('event_loop')).toEqual({ event_loop_delay_seconds: 0.025 });
  });

  it('leave open what is not known of a worker that someone else runs', async () => {
    const models = [{ id: 'some-org/mixtral-8x7b', root: null, parent: null, maxModelLen: null }];
    const scene = createScene({ directory: directoryOf([workerOf(viewOf({ models, profile: null }))]), supervisor: () => snapshotOf() });
    expect(Object.keys(await scene.samples('model_info'))).toEqual([
      'model_info{model="some-org/mixtral-8x7b",model_size="8x7b",dtype="",quantization="",gpu="",tp="",pp="",profile="",tuning=""}',
    ]);
  });

  it('do without parts that do not exist', async () => {
    const scene = createScene({ directory: null, figures: null });
    expect(await scene.samples('requests_in_flight')).toEqual({ requests_in_flight: 0 });
    expect(await scene.samples('worker_ready')).toEqual({});
  });
});
