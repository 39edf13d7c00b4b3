import type { Settings } from '../config/schema/settings.ts';
import { Each, type Rule } from './veil/rule.ts';

// What of the settings may go out, each by name: a test walks the schema, and fails for one that is not decided here. Numbers, switches and
// words out of a list of ours go out as they are (plain, word); a text of somebody's making never does.

const LIMIT = {
  requests_per_minute: 'plain',
  tokens_per_minute: 'plain',
  concurrent_requests: 'plain',
  tokens_per_day: 'plain',
  tokens_per_month: 'plain',
} as const satisfies Rule;

const SERVER: Rule = {
  host: 'host',
  port: 'plain',
  processes: 'word',
  probe_port: 'plain',
  max_body_bytes: 'plain',
  header_timeout_ms: 'plain',
  upload_timeout_ms: 'plain',
  cors: { allowed_origins: 'url' },
};

const KEY: Rule = {
  name: 'key',
  key: 'secret',
  key_sha256: 'secret',
  models: 'model',
  priority: 'word',
  expires_at: 'time',
  on_limit: 'word',
  max_wait_ms: 'plain',
  limits: LIMIT,
  admin: 'plain',
};

const KUBERNETES: Rule = { namespace: 'name', service: 'name', selector: 'name', port: 'name', scheme: 'word' };

const DISCOVERY: Rule = {
  kubernetes: { api: 'url', token_file: 'path', ca_file: 'path', idle_ms: 'plain' },
  dns: { servers: 'address', interval_ms: 'plain' },
};

const SUPERVISOR: Rule = {
  enabled: 'word',
  engine: 'word',
  vllm_command: 'path',
  profile: 'model',
  tuning: 'model',
  profiles_dir: 'path',
  replicas: 'plain',
  placement: new Each('model', 'gpu'),
  port_range: ['plain'],
  state_dir: 'path',
  start_timeout_ms: 'plain',
  control: 'path',
};

const MODEL: Rule = {
  id: 'model',
  source: 'model',
  aliases: 'model',
  pool: 'model',
  fallback: 'model',
  engine: 'flags',
  swap: { strategy: 'word', sleep_level: 'plain', dwell_ms: 'plain', idle_unload_ms: 'plain' },
  resume: 'plain',
};

const TIMEOUTS: Rule = {
  connect_ms: 'plain',
  first_token_ms: 'plain',
  idle_ms: 'plain',
  stream_total_ms: 'plain',
  request_total_ms: 'plain',
  stream_max_ms: 'plain',
  request_max_ms: 'plain',
};

const BREAKER: Rule = {
  failures: 'plain',
  window_ms: 'plain',
  failure_rate: 'plain',
  min_requests: 'plain',
  open_ms: 'plain',
  success_to_close: 'plain',
};

const FILES: Rule = {
  dir: 'path',
  max_file_bytes: 'plain',
  batch_max_file_bytes: 'plain',
  batch_max_requests: 'plain',
  expire_batch_files_after_ms: 'plain',
  max_total_bytes: 'plain',
};

const BATCHES: Rule = {
  enabled: 'plain',
  max_running: 'plain',
  share: 'plain',
  when_busy: 'word',
  allow_mixed_models: 'plain',
  cancel_grace_ms: 'plain',
  line_max_attempts: 'plain',
};

export const SETTINGS_RULES = {
  server: SERVER,
  admin: { host: 'host', port: 'plain', key: 'secret' },
  auth: { allow_anonymous: 'plain', keys: [KEY], keys_file: 'path' },
  limits: { default: LIMIT, anonymous: LIMIT, trusted_proxies: 'address' },
  state: { url: 'url', prefix: 'name', gateways: 'plain', timeout_ms: 'plain', when_unavailable: 'word' },
  workers: [
    {
      url: 'url',
      engine: 'word',
      kubernetes: KUBERNETES,
      dns: 'host',
      api_key: 'secret',
      models: 'model',
      max_num_seqs: 'plain',
      scheduling_policy: 'word',
      group: 'name',
    },
  ],
  discovery: DISCOVERY,
  supervisor: SUPERVISOR,
  models: [MODEL],
  batch_window: { window_ms: 'plain', max_batch_size: 'plain', guardrail: { p95_slo_ms: 'plain', enabled: 'plain' } },
  admission: { max_queue: 'plain', queue_timeout_ms: 'plain', headroom: 'plain', reject_status: 'plain' },
  pressure: { warn_kv_usage: 'plain', critical_kv_usage: 'plain', scrape_interval_ms: 'plain' },
  circuit_breaker: BREAKER,
  load_balancer: { policy: 'word', affinity: 'word', slow_start_ms: 'plain' },
  sessions: { idle_ms: 'plain', max_entries: 'plain', from: ['word'] },
  retry: { max_attempts: 'plain', budget_ratio: 'plain' },
  resume: { enabled: 'plain', max: 'plain' },
  cache: {
    enabled: 'plain',
    max_entries: 'plain',
    ttl_ms: 'plain',
    max_bytes: 'plain',
    max_entry_bytes: 'plain',
    scope: 'word',
    normalize: ['word'],
  },
  single_flight: { enabled: 'plain' },
  idempotency: { enabled: 'plain', ttl_ms: 'plain', max_bytes: 'plain', join_grace_ms: 'plain' },
  database: { url: 'url' },
  files: FILES,
  batches: BATCHES,
  timeouts: TIMEOUTS,
  stream: { keep_alive_ms: 'plain' },
  shutdown: { settle_ms: 'plain', grace_ms: 'plain' },
  log: { level: 'word', format: 'word', keep_mb: 'plain' },
  metrics: { public: 'plain' },
  telemetry: {
    otlp_endpoint: 'url',
    headers: new Each('name', 'secret'),
    service_name: 'name',
    sample_ratio: 'plain',
    slow_ms: 'plain',
    trust_incoming: 'plain',
  },
} as const satisfies { readonly [Name in keyof Settings]: Rule };
