import { Each, type Rule } from './veil/rule.ts';

// What may go out of what runs, each field by name.

const FAILURE = { class: 'word', phase: 'word', message: 'foreign', advice: 'text', at: 'time' } as const satisfies Rule;
const DEGRADATION = { setting: 'word', from: 'word', to: 'word', reason: 'text' } as const satisfies Rule;
const FIT = {
  verdict: 'word',
  totalGib: 'plain',
  weightsGib: 'plain',
  otherGib: 'plain',
  kvCacheGib: 'plain',
  contextTokens: 'plain',
  concurrency: 'plain',
  reason: 'text',
} as const satisfies Rule;

const GPU = {
  index: 'plain',
  uuid: 'gpu',
  name: 'text',
  memory_total_bytes: 'plain',
  memory_used_bytes: 'plain',
  utilization_ratio: 'plain',
  temperature_celsius: 'plain',
  power_watts: 'plain',
  simulated: 'plain',
} as const satisfies Rule;

const MODEL = {
  id: 'model',
  aliases: 'model',
  state: 'word',
  max_model_len: 'plain',
  profile: 'word',
  capabilities: ['word'],
  eta_seconds: 'plain',
  reason: 'text',
  asleep: 'plain',
  fit: FIT,
} as const satisfies Rule;

const WORKER = {
  id: 'worker',
  model: 'model',
  gpus: ['plain'],
  profile: 'word',
  state: 'word',
  stage: 'word',
  pid: 'plain',
  port: 'plain',
  url: 'place',
  uptime_seconds: 'plain',
  restarts: 'plain',
  percent: 'plain',
  eta_seconds: 'plain',
  engine_args: 'args',
  degradation: [DEGRADATION],
  last_failure: FAILURE,
  log_file: 'path',
  in_flight: 'plain',
  requests_running: 'plain',
  requests_waiting: 'plain',
  kv_cache_usage_ratio: 'plain',
} as const satisfies Rule;

/** Of the body of GET /admin/status. */
export const STATUS_RULE = {
  version: 'word',
  gateway: { pid: 'plain', processes: ['plain'], draining: 'plain' },
  supervised: 'plain',
  supervisor: { pid: 'plain', answers: 'plain', away_seconds: 'plain', reason: 'text' },
  engine: { kind: 'word', simulated: 'plain', reason: 'text', version: 'word' },
  gpus: [GPU],
  profile: 'word',
  tuning: 'word',
  models: [MODEL],
  workers: [WORKER],
  swaps: [{ worker: 'worker', from: 'model', to: 'model', since_seconds: 'plain', eta_seconds: 'plain', percent: 'plain' }],
} as const satisfies Rule;

/** Of the body of GET /stats. */
export const STATS_RULE = {
  batcher: {
    total_requests: 'plain',
    total_batches: 'plain',
    average_batch_size: 'plain',
    pending_requests: 'plain',
    window_ms: new Each('model', 'plain'),
  },
  cache: { size: 'plain', maxsize: 'plain', hits: 'plain', misses: 'plain', hit_rate: 'plain' },
  queue: { in_flight: 'plain', depth: { interactive: 'plain', batch: 'plain' } },
  breakers: new Each('worker', { state: 'word', consecutive_failures: 'plain', open_for_ms: 'plain' }),
  workers: [
    {
      id: 'worker',
      state: 'word',
      stage: 'word',
      models: 'model',
      in_flight: 'plain',
      restarts: 'plain',
      load: { running: 'plain', waiting: 'plain', kv_cache_usage_ratio: 'plain', scrape_age_ms: 'plain' },
    },
  ],
  routing: { total: 'plain', by_worker: new Each('worker', 'plain'), retries: 'plain' },
  sessions: { active: 'plain', by_worker: new Each('worker', 'plain'), kept: 'plain', moved: 'plain' },
  tokens: { input: 'plain', output: 'plain', cached_input: 'plain' },
} as const satisfies Rule;

const PROCESS = {
  version: 'word',
  node: 'word',
  pid: 'plain',
  platform: 'text',
  uptime_seconds: 'plain',
  cpu: { user_seconds: 'plain', system_seconds: 'plain' },
  memory: {
    rss_bytes: 'plain',
    heap_used_bytes: 'plain',
    heap_total_bytes: 'plain',
    heap_limit_bytes: 'plain',
    external_bytes: 'plain',
    array_buffers_bytes: 'plain',
  },
  event_loop_delay: { mean_ms: 'plain', p50_ms: 'plain', p99_ms: 'plain', max_ms: 'plain' },
  active_resources: new Each('word', 'plain'),
} as const satisfies Rule;

/** Of the body of GET /debug/runtime. */
export const RUNTIME_RULE = { ...PROCESS, processes: [PROCESS] } as const satisfies Rule;

/** Of what the supervisor said last, beside what the status has of it. */
export const SNAPSHOT_RULE = {
  revision: 'plain',
  pid: 'plain',
  version: 'word',
  engine: 'word',
  engineReason: 'text',
  vllmVersion: 'word',
  profile: 'word',
  tuning: 'word',
  models: [
    {
      id: 'model',
      source: 'model',
      capabilities: ['word'],
      maxModelLen: 'plain',
      fit: FIT,
      state: 'word',
      loadable: 'plain',
      etaSeconds: 'plain',
      reason: 'text',
      asleep: 'plain',
    },
  ],
  workers: [
    {
      id: 'worker',
      state: 'word',
      stage: 'word',
      maxNumSeqs: 'plain',
      scheduling: 'word',
      restarts: 'plain',
      degradation: [DEGRADATION],
      refuses: ['word'],
      lastFailure: FAILURE,
      engine: 'word',
      args: 'args',
    },
  ],
} as const satisfies Rule;
