import { describe, expect, test } from 'vitest';
import { defaultSettings, settingsSchema, supervisorIsOn } from '../../../../gateway/config/schema/settings.ts';
import { resumesIn } from '../../../../gateway/config/schema/values/resume.ts';
import { SETTINGS } from '../../../../gateway/config/schema/form.ts';
import { problemsOf } from '../loading.ts';

const NO_LIMITS = {
  requests_per_minute: null,
  tokens_per_minute: null,
  concurrent_requests: null,
  tokens_per_day: null,
  tokens_per_month: null,
};

describe('the schema of settings', () => {
  test('has the documented defaults', () => {
    expect(defaultSettings()).toEqual({
      server: {
        host: '127.0.0.1',
        port: 8080,
        probe_port: null,
        processes: 1,
        max_body_bytes: 33554432,
        header_timeout_ms: 15000,
        upload_timeout_ms: 60000,
        cors: { allowed_origins: 'auto' },
      },
      admin: { host: '127.0.0.1', port: null, key: null },
      auth: { allow_anonymous: null, keys: [], keys_file: null },
      limits: {
        default: { ...NO_LIMITS },
        anonymous: { ...NO_LIMITS },
        trusted_proxies: [],
      },
      state: { url: null, prefix: 'headgate:', gateways: 'auto', timeout_ms: 50, when_unavailable: 'local' },
      workers: [],
      discovery: {
        kubernetes: { api: null, token_file: null, ca_file: null, idle_ms: 120000 },
        dns: { servers: [], interval_ms: 5000 },
      },
      supervisor: {
        enabled: 'auto',
        engine: 'auto',
        vllm_command: ['vllm', 'serve'],
        profile: 'auto',
        tuning: 'balanced',
        replicas: 1,
        profiles_dir: null,
        placement: 'auto',
        port_range: [18000, 18099],
        state_dir: '.headgate',
        start_timeout_ms: 900000,
        control: 'auto',
      },
      models: [],
      batch_window: { window_ms: 0, max_batch_size: 8, guardrail: { p95_slo_ms: 5000, enabled: true } },
      admission: { max_queue: 100, queue_timeout_ms: 30000, headroom: 0.25, reject_status: 503 },
      pressure: { warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 },
      circuit_breaker: { failures: 5, window_ms: 30000, failure_rate: 0.5, min_requests: 10, open_ms: 30000, success_to_close: 2 },
      load_balancer: { policy: 'p2c', affinity: 'none', slow_start_ms: 30000 },
      sessions: { idle_ms: 180000, max_entries: 10000, from: ['header', 'prompt_cache_key'] },
      retry: { max_attempts: 2, budget_ratio: 0.2 },
      resume: { enabled: false, max: 2 },
      cache: {
        enabled: false,
        max_entries: 1000,
        ttl_ms: 600000,
        max_bytes: 268435456,
        max_entry_bytes: 1048576,
        scope: 'key',
        normalize: [],
      },
      single_flight: { enabled: true },
      idempotency: { enabled: true, ttl_ms: 600000, max_bytes: 67108864, join_grace_ms: 5000 },
      database: { url: 'auto' },
      files: {
        dir: 'auto',
        max_file_bytes: 536870912,
        batch_max_file_bytes: 209715200,
        batch_max_requests: 50000,
        expire_batch_files_after_ms: 2592000000,
        max_total_bytes: null,
      },
      batches: {
        enabled: true,
        max_running: 4,
        share: 1,
        when_busy: 'yield',
        allow_mixed_models: true,
        cancel_grace_ms: 30000,
        line_max_attempts: 5,
      },
      timeouts: {
        connect_ms: 3000,
        first_token_ms: 60000,
        idle_ms: 60000,
        stream_total_ms: 300000,
        request_total_ms: 60000,
        stream_max_ms: 3_600_000,
        request_max_ms: 600_000,
      },
      stream: { keep_alive_ms: 30000 },
      shutdown: { settle_ms: 3000, grace_ms: 30000 },
      log: { level: 'info', format: 'auto', keep_mb: 64 },
      metrics: { public: null },
      telemetry: { otlp_endpoint: null, headers: {}, service_name: 'headgate', sample_ratio: 0.03, slow_ms: 10000, trust_incoming: false },
    });
  });

  test('gives a fresh object each time', () => {
    expect(defaultSettings()).not.toBe(defaultSettings());
    expect(defaultSettings().supervisor.vllm_command).not.toBe(defaultSettings().supervisor.vllm_command);
  });

  test('turns a model given by id into an entry', () => {
    const swap = { strategy: null, sleep_level: null, dwell_ms: null, idle_unload_ms: null };
    const none = { pool: null, fallback: [] };
    expect(settingsSchema.parse({ models: ['a', { id: 'b', aliases: ['c'] }] }).models).toEqual([
      { id: 'a', source: null, aliases: [], ...none, engine: {}, swap, resume: null },
      { id: 'b', source: null, aliases: ['c'], ...none, engine: {}, swap, resume: null },
    ]);
  });

  test('keeps any flag of vLLM in a model, of whatever type', () => {
    const engine = { 'max-model-len': 8192, dtype: 'half', 'enforce-eager': true, 'hf-overrides': { rope: [1, null] } };
    expect(settingsSchema.parse({ models: [{ id: 'a', engine }] }).models[0]!.engine).toEqual(engine);
  });

  test.each([
    ['http://10.0.0.5:8000/', 'http://10.0.0.5:8000'],
    ['HTTPS://Worker.Example', 'https://worker.example'],
    ['http://[fd00::1]:8000', 'http://[fd00::1]:8000'],
    ['https://API.Example.com/openai/v1/', 'https://api.example.com/openai/v1'],
  ])('writes the worker URL %s as %s', (given, expected) => {
    expect(settingsSchema.parse({ workers: [{ url: given }] }).workers).toEqual([
      {
        url: expected,
        engine: 'auto',
        kubernetes: null,
        dns: null,
        api_key: null,
        models: null,
        max_num_seqs: 256,
        scheduling_policy: 'fcfs',
        group: 'main',
      },
    ]);
  });

  test('resolves supervisor.enabled: auto by whether workers are listed', () => {
    const workers = [{ url: 'http://a:1' }];
    expect(supervisorIsOn(defaultSettings())).toBe(true);
    expect(supervisorIsOn(settingsSchema.parse({ workers }))).toBe(false);
    expect(supervisorIsOn(settingsSchema.parse({ workers, supervisor: { enabled: true } }))).toBe(true);
    expect(supervisorIsOn(settingsSchema.parse({ supervisor: { enabled: false } }))).toBe(false);
  });
});

describe('ranges', () => {
  const numbers = SETTINGS.root
    .leaves()
    .filter(({ node: { schema } }) => schema.safeParse(Number.MAX_SAFE_INTEGER).success !== schema.safeParse(1).success);

  test('every number has one: neither negative nor boundless', () => {
    expect(numbers.map(({ path }) => path.join('.'))).toEqual(
      expect.arrayContaining(['server.port', 'retry.budget_ratio', 'shutdown.grace_ms']),
    );
    const unbounded = SETTINGS.root
      .leaves()
      .filter(({ node: { schema } }) => [-1, 2 ** 51, Infinity, NaN].some((value) => schema.safeParse(value).success));
    expect(unbounded).toEqual([]);
  });

  test('times stay within what a timer of Node can hold', () => {
    const times = SETTINGS.root.leaves().filter(({ path }) => path.at(-1)!.endsWith('_ms'));
    expect(times.length).toBeGreaterThan(15);
    const long = times.filter(({ node: { schema } }) => schema.safeParse(2 ** 31).success).map(({ path }) => path.join('.'));
    // A date is made of that one, not a timer.
    expect(long).toEqual(['files.expire_batch_files_after_ms']);
  });

  test.each([
    ['server: { port: 65536 }', 'server.port: expected a whole number from 0 to 65535; got 65536'],
    ['server: { port: 80.5 }', 'server.port: expected a whole number from 0 to 65535; got 80.5'],
    ['batch_window: { window_ms: 1001 }', 'batch_window.window_ms: expected a whole number from 0 to 1000; got 1001'],
    ['circuit_breaker: { failure_rate: 0 }', 'circuit_breaker.failure_rate: expected a number above 0, at most 1; got 0'],
    ['admission: { reject_status: 500 }', 'admission.reject_status: expected 503 or 429; got 500'],
    ['supervisor: { port_range: [1] }', 'supervisor.port_range: expected a list of 2 values; got a list'],
    ['supervisor: { vllm_command: [] }', 'supervisor.vllm_command: expected a list of 1 to 64 values; got a list'],
    ['supervisor: { profile: ../t4 }', 'supervisor.profile: expected a name of letters, digits, dots, dashes and underscores'],
    [
      'load_balancer: { affinity: sesion }',
      'load_balancer.affinity: expected none, session or prefix; got "sesion"; did you mean session?',
    ],
    [
      'admin: { key: "two words" }',
      'admin.key: expected 16 to 512 visible ASCII characters, without spaces; openssl rand -hex 32 makes a good one',
    ],
    [
      'admin: { key: fifteen-letters }',
      'admin.key: expected 16 to 512 visible ASCII characters, without spaces; openssl rand -hex 32 makes a good one',
    ],
    ['auth: { keys: [k] }', 'auth.keys[0]: expected'],
    ['files: { dir: database }', 'files.dir: keeping files in the database takes PostgreSQL'],
    ['files: { dir: "" }', 'files.dir: expected auto, the path of a folder, or database'],
    ['files: { expire_batch_files_after_ms: 1000 }', 'files.expire_batch_files_after_ms: expected a whole number from 3600000'],
    ['batches: { when_busy: yeild }', 'batches.when_busy: expected yield or finish; got "yeild"; did you mean yield?'],
    [
      'models: [{ id: a, engine: { --dtype: half } }]',
      'models[0].engine.--dtype: expected the name of a vllm serve flag, without the leading --',
    ],
  ])('%s is refused', (file, message) => {
    expect(problemsOf({ file })).toEqual([expect.stringMatching(/^headgate\.yaml:1:\d+: /)]);
    expect(problemsOf({ file })[0]).toContain(`: ${message}`);
  });
});

test('a model says itself whether its streams go on, or the rest of the settings does', () => {
  const models = ['a', { id: 'b', resume: true }, { id: 'c', resume: false }];
  expect(resumesIn(settingsSchema.parse({ models }))).toEqual({
    others: 0,
    byModel: new Map([
      ['b', 2],
      ['c', 0],
    ]),
  });
  expect(resumesIn(settingsSchema.parse({ models, resume: { enabled: true, max: 3 } })).others).toBe(3);
});
