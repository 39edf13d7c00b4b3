import type { CanaryFigures, CanaryStatus } from '../canary/status.ts';
import type { AdminRuntime, AdminStatus, GpuStatus, LeaseStatus, ModelStatus, Stats, WorkerStatus } from '../http/pages/admin-answers.ts';
import { CARD, DEGRADATION, FAILURE, FIT } from './common-rules.ts';
import { Each } from './veil/rule.ts';
import type { RuleOf } from './veil/rule-of.ts';

// What may go out of what runs, each field by name.

const GPU = { ...CARD, memory_total_bytes: 'plain', memory_used_bytes: 'plain' } as const satisfies RuleOf<GpuStatus>;

const MODEL = {
  id: 'model',
  aliases: 'model',
  state: 'word',
  max_model_len: 'plain',
  profile: 'model',
  capabilities: ['word'],
  eta_seconds: 'plain',
  reason: 'text',
  asleep: 'plain',
  pool: 'model',
  fallback: 'model',
  unserved: [{ name: 'model', in: 'word', near: 'model' }],
  fit: FIT,
} as const satisfies RuleOf<ModelStatus>;

const WORKER = {
  id: 'worker',
  model: 'model',
  gpus: ['plain'],
  profile: 'model',
  state: 'word',
  stage: 'word',
  pid: 'plain',
  port: 'plain',
  url: 'place',
  source: 'name',
  engine: 'word',
  engine_version: 'word',
  uptime_seconds: 'plain',
  restarts: 'plain',
  percent: 'plain',
  eta_seconds: 'plain',
  engine_args: 'args',
  degradation: [DEGRADATION],
  last_failure: FAILURE,
  log_file: 'path',
  in_flight: 'plain',
  places: 'plain',
  requests_running: 'plain',
  requests_waiting: 'plain',
  kv_cache_usage_ratio: 'plain',
} as const satisfies RuleOf<WorkerStatus>;

const LEASE = {
  id: 'id',
  gpu: 'plain',
  uuid: 'gpu',
  holder: 'name',
  state: 'word',
  over: 'word',
  until: 'time',
  left_seconds: 'plain',
  free_bytes: 'plain',
  // It may name other programs on the card.
  message: 'foreign',
  workers: [{ id: 'worker', state: 'word', in_flight: 'plain' }],
} as const satisfies RuleOf<LeaseStatus>;

/** Of the body of GET /admin/status. */
export const STATUS_RULE = {
  version: 'word',
  gateway: { pid: 'plain', processes: ['plain'], draining: 'plain', sharing: 'plain' },
  supervised: 'plain',
  supervisor: { pid: 'plain', answers: 'plain', away_seconds: 'plain', reason: 'text' },
  engine: { kind: 'word', simulated: 'plain', reason: 'text', version: 'word' },
  gpus: [GPU],
  profile: 'model',
  tuning: 'model',
  models: [MODEL],
  workers: [WORKER],
  sources: [{ source: 'name', answers: 'plain', message: 'foreign', workers: 'plain', ending: 'plain' }],
  store: { answers: 'plain', when_unavailable: 'word' },
  leases: [LEASE],
  swaps: [{ worker: 'worker', from: 'model', to: 'model', since_seconds: 'plain', eta_seconds: 'plain', percent: 'plain' }],
} as const satisfies RuleOf<AdminStatus>;

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
  prefixes: {
    held_blocks: 'plain',
    held_bytes: 'plain',
    sent_blocks: 'plain',
    matched_blocks: 'plain',
    held: 'plain',
    spilled: 'plain',
    new: 'plain',
  },
  tokens: { input: 'plain', output: 'plain', cached_input: 'plain' },
} as const satisfies RuleOf<Stats>;

const FIGURES = {
  calls: 'plain',
  failed: 'plain',
  p95_ttft_ms: 'plain',
  p95_tpot_ms: 'plain',
  p95_e2e_ms: 'plain',
} as const satisfies RuleOf<CanaryFigures>;

/** Of the body of GET /admin/canary. */
export const CANARY_RULE = {
  state: 'word',
  group: 'name',
  serving: 'name',
  percent: 'plain',
  step: { number: 'plain', of: 'plain', elapsed_seconds: 'plain', seconds: 'plain', min_calls: 'plain' },
  canary: FIGURES,
  main: FIGURES,
  message: 'text',
  history: [{ at: 'time', message: 'text' }],
} as const satisfies RuleOf<CanaryStatus>;

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
} as const satisfies RuleOf<Omit<AdminRuntime, 'processes'>>;

/** Of the body of GET /debug/runtime. */
export const RUNTIME_RULE = { ...PROCESS, processes: [PROCESS] } as const satisfies RuleOf<AdminRuntime>;
