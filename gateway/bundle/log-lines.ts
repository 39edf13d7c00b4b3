import type { LogFieldName } from '../core/log/fields.ts';
import { allowed, type LeafRule } from './veil/rule.ts';
import type { Veil } from './veil/veil.ts';

// Lines of our own log, and entries of the history, which have the same fields.

/** Every event that the log knows. A test holds it against the sources. */
const EVENTS: ReadonlySet<string> = new Set(
  (
    'admin admin.key admission attempt auth batch batch.end batch.line batch.paused batch.trouble batch.validate breaker cache canary ' +
    'config.reload config.trial database.away database.back database.lost drain fallback file.added file.deleted files.clients ' +
    'files.few files.none files.trouble fleet gateway.lost gateway.start gpu.lease history internal.error keys keys.changed ' +
    'keys.refused limit listening log.lost log.unkept model.swap overload prefix pressure probes.lost process.exit process.given_up ' +
    'process.hung process.start ready refusals request.end request.start resume retry route session source.away source.change ' +
    'source.left_out source.up store store.away store.full store.room store.up supervisor.away supervisor.back supervisor.control ' +
    'supervisor.end supervisor.exit supervisor.failed supervisor.found supervisor.hung supervisor.lost supervisor.plan ' +
    'supervisor.start supervisor.stop supervisor.wait telemetry traces.lost whereabouts window worker.adopted worker.degraded ' +
    'worker.failure worker.kept worker.leftover worker.overdue worker.record worker.stage worker.state worker.told worker.unasked ' +
    'worker.unserved worker.waiting'
  ).split(' '),
);

export function isKnownEvent(event: string): boolean {
  return EVENTS.has(event);
}

/**
 * Names of keys that are gone, of whoever tries settings, of whoever has a card and of what is found in a cluster are known to nobody, so
 * these sentences are not shown.
 */
const OF_NAMES: ReadonlySet<string> = new Set([
  ...['config.trial', 'gpu.lease', 'keys.changed', 'keys.refused'],
  ...['source.away', 'source.change', 'source.left_out', 'source.up'],
]);

/** Ids of requests are ours, or a client's own. */
const REQUEST_ID = /^[0-9a-f]{16,32}(?:-\d{1,4})?$/;

/** What a line may say, field by field. `null`: never. */
const FIELDS: Readonly<Record<LogFieldName, LeafRule | null>> = {
  request_id: 'id',
  owner: 'name',
  trace_id: 'id',
  span_id: 'id',
  traced: 'word',
  method: 'word',
  route: 'text',
  // What a client wrote.
  path: null,
  model: 'model',
  fallback: 'model',
  fallback_reason: 'word',
  status: 'word',
  outcome: 'word',
  code: 'word',
  reason: 'text',
  limit: 'word',
  phase: 'word',
  stream: 'plain',
  priority: 'word',
  key: 'key',
  worker: 'worker',
  attempts: 'plain',
  resumes: 'plain',
  not_resumed: 'word',
  queue_ms: 'plain',
  window_ms: 'plain',
  ttft_ms: 'plain',
  duration_ms: 'plain',
  input_tokens: 'plain',
  output_tokens: 'plain',
  cached_tokens: 'plain',
  prompt_chars: 'plain',
  cache: 'word',
  replayed: 'plain',
  bytes_out: 'plain',
  batch: 'id',
  file: 'path',
  bytes: 'plain',
  purpose: 'word',
  finish_reason: 'word',
  batch_size: 'plain',
  waited_max_ms: 'plain',
  from: 'word',
  to: 'word',
  from_ms: 'plain',
  to_ms: 'plain',
  p95_ms: 'plain',
  slo_ms: 'plain',
  kv_usage_ratio: 'plain',
  sessions: 'plain',
  blocks: 'plain',
  matched_blocks: 'plain',
  state: 'word',
  previous_state: 'word',
  stage: 'word',
  url: 'place',
  pid: 'plain',
  port: 'plain',
  host: 'host',
  models: 'model',
  restarts: 'plain',
  source: 'name',
  workers: 'plain',
  joined: 'place',
  left: 'place',
  ending: 'place',
  replaced: 'place',
  class: 'word',
  message: 'foreign',
  advice: 'text',
  degradation: 'text',
  eta_seconds: 'plain',
  profile: 'model',
  tuning: 'model',
  engine: 'word',
  engine_version: 'word',
  gpu: 'gpu',
  holder: 'name',
  until: 'time',
  over: 'word',
  start: 'plain',
  life: 'plain',
  next: 'text',
  setting: 'text',
  steps: 'text',
  waiting: 'plain',
  served_ms: 'plain',
  pids: 'plain',
  gpus: 'gpu',
  control: 'path',
  version: 'word',
  node: 'word',
  signal: 'word',
  changed: 'text',
  needs_restart: 'text',
  in_flight: 'plain',
  error_name: 'word',
  cause_code: 'word',
  stack: 'text',
};

/** What goes out of one line; null: it is none of ours. */
export function shownLine(said: Readonly<Record<string, unknown>>, veil: Veil): Record<string, unknown> | null {
  const { event, msg } = said;
  if (typeof event !== 'string' || !EVENTS.has(event)) return null;
  const line: Record<string, unknown> = {
    ...allowed(said, { level: 'word', time: 'time', at: 'time', by: 'word', process: 'plain' }, veil)!,
    event,
  };
  for (const [field, value] of Object.entries(said)) {
    const rule = Object.hasOwn(FIELDS, field) ? FIELDS[field as LogFieldName] : null;
    if (rule === null) continue;
    line[field] = typeof value === 'string' && rule === 'id' && REQUEST_ID.test(value) ? value : allowed(value, rule, veil);
  }
  if (typeof msg === 'string' && !OF_NAMES.has(event)) line['msg'] = event === 'worker.failure' ? veil.foreign(msg) : veil.text(msg);
  return line;
}

/** The same of a line of text. */
export function shownJsonLine(line: string, veil: Veil): Record<string, unknown> | null {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null ? shownLine(said as Record<string, unknown>, veil) : null;
  } catch {
    return null;
  }
}
