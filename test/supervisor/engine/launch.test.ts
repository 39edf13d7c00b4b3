import { describe, expect, test } from 'vitest';
import { heldBackWords } from '../../../supervisor/engine/environment.ts';
import type { LaunchRequest } from '../../../supervisor/engine/launch.ts';
import { planLaunch, toFlags } from '../../../supervisor/engine/launch.ts';

const REQUEST: LaunchRequest = {
  engine: 'vllm',
  command: ['/opt/venv/bin/vllm', 'serve'],
  modelId: 'mistral-7b-instruct',
  source: 'solidrust/Mistral-7B-Instruct-v0.3-AWQ',
  settings: { dtype: 'half', max_num_seqs: 16, max_model_len: 8192 },
  port: 18_003,
  shutdownTimeoutSeconds: 30,
  startTimeoutSeconds: 900,
  instanceId: 'abc:worker-1:1',
  scratchEnv: { TMPDIR: '/srv/state/tmp/0123456789ab' },
  gpuUuids: ['GPU-1234'],
  simulatedGpu: 't4',
  profileEnv: { VLLM_USE_FLASHINFER_SAMPLER: '0' },
  baseEnv: { PATH: '/usr/bin', HOME: '/root' },
  cwd: '/srv',
};

describe('the command line', () => {
  test('is what an operator would type, with everything the gateway counts on', () => {
    const plan = planLaunch(REQUEST);
    expect(plan.file).toBe('/opt/venv/bin/vllm');
    expect(plan.argv).toEqual(['serve', ...plan.args]);
    expect(plan.args).toEqual([
      'solidrust/Mistral-7B-Instruct-v0.3-AWQ',
      ...['--served-model-name', 'mistral-7b-instruct'],
      ...['--host', '127.0.0.1', '--port', '18003'],
      ...['--dtype', 'half', '--max-num-seqs', '16', '--max-model-len', '8192'],
      ...['--enable-request-id-headers', '--enable-prompt-tokens-details', '--enable-server-load-tracking'],
      ...['--disable-access-log-for-endpoints', '/health,/metrics,/load,/ping'],
      ...['--shutdown-timeout', '30'],
    ]);
    expect(plan).toMatchObject({ cwd: '/srv', maxNumSeqs: 16, maxModelLen: 8192, scheduling: 'fcfs' });
  });

  test('tells the gateway of an engine that goes by priority', () => {
    const plan = planLaunch({ ...REQUEST, settings: { scheduling_policy: 'priority' } });
    expect(plan.args).toEqual(expect.arrayContaining(['--scheduling-policy', 'priority']));
    expect(plan.scheduling).toBe('priority');
  });

  test('turns settings into flags by their kind', () => {
    expect(
      toFlags({
        enforce_eager: true,
        enable_prefix_caching: false,
        kv_cache_dtype: null,
        cudagraph_capture_sizes: [1, 2, 4],
        limit_mm_per_prompt: { image: 0 },
        gpu_memory_utilization: 0.9,
      }),
    ).toEqual([
      '--enforce-eager',
      '--no-enable-prefix-caching',
      ...['--cudagraph-capture-sizes', '1', '2', '4'],
      ...['--limit-mm-per-prompt', '{"image":0}'],
      ...['--gpu-memory-utilization', '0.9'],
    ]);
  });

  test('says no only where there is a way to', () => {
    expect(toFlags({ enable_prefix_caching: false, enforce_eager: false })).toEqual(['--no-enable-prefix-caching', '--no-enforce-eager']);
    // One that takes no value, and one that takes a text.
    expect(toFlags({ headless: false, generation_config: false })).toEqual([]);
    expect(toFlags({ brand_new: false }, new Set(['--brand-new']))).toEqual([]);
    expect(toFlags({ brand_new: false }, new Set(['--brand-new', '--no-brand-new']))).toEqual(['--no-brand-new']);
    expect(toFlags({ enable_new: false }, new Set(['--enable-new', '--disable-new']))).toEqual(['--no-enable-new']);
    expect(toFlags({ brand_new: false })).toEqual(['--no-brand-new']);
  });

  test('shows none of the secrets that the engine is started with', () => {
    const settings = { hf_token: 'hunter2', kv_transfer_config: { kv_connector_extra_config: { url: 'redis://:hunter2@cache:1' } } };
    const { argv, args } = planLaunch({ ...REQUEST, settings });
    expect(argv).toContain('hunter2');
    expect(args.join(' ')).not.toContain('hunter2');
    expect(args).toContain('{"kv_connector_extra_config":{"url":"redis://[redacted]@cache:1"}}');
  });

  test('does not let settings take from the supervisor what it must decide itself', () => {
    expect(toFlags({ port: 1, host: '0.0.0.0', 'api-key': 'x', served_model_name: 'y', uds: 'z' })).toEqual([]);
  });
});

describe('the environment', () => {
  test('marks the process, pins the card and keeps its mark readable', () => {
    expect(planLaunch(REQUEST).env).toMatchObject({
      HEADGATE_INSTANCE_ID: 'abc:worker-1:1',
      SPT_NOENV: '1',
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
      CUDA_VISIBLE_DEVICES: 'GPU-1234',
      VLLM_USE_FLASHINFER_SAMPLER: '0',
      VLLM_HTTP_TIMEOUT_KEEP_ALIVE: '120',
      VLLM_ENGINE_READY_TIMEOUT_S: '3600',
      NO_COLOR: '1',
      PATH: '/usr/bin',
    });
  });

  test('is the supervisor’s, whatever the names, but for what would do harm', () => {
    const passing = {
      ...{ PATH: '/usr/bin', HF_TOKEN: 'hf_x', LC_ALL: 'C', VLLM_CACHE_ROOT: '/cache', TIKTOKEN_ENCODINGS_BASE: '/encodings' },
      ...{
        S3_ENDPOINT_URL: 'http://s3',
        LMCACHE_CONFIG_FILE: '/c',
        OTEL_SERVICE_NAME: 'x',
        UCX_TLS: 'tcp',
        MY_OWN: '1',
        VLLM_PORT: '29000',
      },
    };
    const held = {
      ...{ HEADGATE_ADMIN__KEY: 'secret', APP_KEY: 'a-key-of-the-settings', SIM_FAULT: 'hang', VLLM_API_KEY: 'x' },
      ...{ VLLM_ATTENTION_BACKEND: 'AUTO', VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: '1', PROMETHEUS_MULTIPROC_DIR: '/metrics', EMPTY: undefined },
      ...{ VLLM_SERVICE_HOST: '10.0.0.1', VLLM_PORT_8000_TCP_ADDR: '10.0.0.1' },
    };
    const { env } = planLaunch({ ...REQUEST, baseEnv: { ...passing, ...held }, secrets: new Set(['a-key-of-the-settings']) });
    expect(env).toMatchObject(passing);
    for (const name of Object.keys(held)) expect(env).not.toHaveProperty(name);
  });

  test('has no port that Kubernetes made of a Service named vllm, and the operator is told of it and of what else is held back', () => {
    const baseEnv = { VLLM_PORT: 'tcp://10.96.0.12:8000', VLLM_SERVICE_HOST: '10.96.0.12', PROMETHEUS_MULTIPROC_DIR: '/m', PATH: '/bin' };
    expect(planLaunch({ ...REQUEST, baseEnv }).env).not.toHaveProperty('VLLM_PORT');
    expect(heldBackWords(baseEnv, 'vllm')).toEqual([
      expect.stringMatching(/does not get VLLM_PORT: Kubernetes .* Service named vllm: set enableServiceLinks: false/),
      expect.stringMatching(/does not get PROMETHEUS_MULTIPROC_DIR: .* mix their metrics/),
    ]);
    expect(heldBackWords({ VLLM_PORT: '29000', HF_TOKEN: 'x' }, 'vllm')).toEqual([]);
  });

  test('tells the simulated engine which card to pretend, unless the operator did', () => {
    const sim = { ...REQUEST, engine: 'sim', gpuUuids: [] } as const;
    expect(planLaunch(sim).env).toMatchObject({ SIM_GPU: 't4' });
    expect(planLaunch({ ...sim, baseEnv: { SIM_GPU: 'l4', SIM_SPEED: '0' } }).env).toMatchObject({ SIM_GPU: 'l4', SIM_SPEED: '0' });
    expect(planLaunch(sim).env).not.toHaveProperty('CUDA_VISIBLE_DEVICES');
  });
});
