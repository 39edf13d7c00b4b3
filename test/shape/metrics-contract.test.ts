import { describe, expect, it, test } from 'vitest';
import { FAILURE_CLASSES } from '../../supervisor/failure/table.ts';
import { ERRORS } from '../../gateway/core/errors.ts';
import { METRICS, OOM_CLASSES } from '../../gateway/telemetry/metrics/table.ts';
import type { MetricRow } from '../../gateway/telemetry/metrics/table.ts';

/** Every metric that the outside may rely on, with its labels. A name that changes here breaks someone's dashboard. */
const PROMISED = `
  requests_total{route,method,code,model,outcome} request_duration_seconds{route,model} requests_in_flight
  time_to_first_token_seconds{model} time_per_output_token_seconds{model} output_tokens_per_second{model}
  input_tokens_total{model} output_tokens_total{model} cached_input_tokens_total{model}
  key_requests_total{key,code} key_tokens_total{key,model,kind} limit_rejections_total{key,limit} limit_used_ratio{key,limit}
  cache_requests_total{result} cache_entries cache_bytes cache_evictions_total{reason} joined_requests_total idempotent_replays_total
  store_up store_errors_total{reason} store_fallback_total{what}
  discovery_up{source} discovery_workers{source} discovery_changes_total{source,change}
  overhead_seconds request_size_bytes response_size_bytes
  queue_depth{class} queue_wait_seconds queue_rejections_total{reason} admission_total{decision,reason}
  batch_lines_total{result} batch_lines_waiting batch_lines_running batches{status} batch_line_seconds batch_completion_ratio{batch}
  batch_size batch_window_wait_seconds batch_window_ms{model}
  breaker_state{worker,state} breaker_transitions_total{worker,from,to,reason}
  retries_total{reason} fallbacks_total{model,fallback,reason} resumes_total{model,outcome} client_disconnects_total{phase} streams_broken_total{reason} routed_requests_total{worker}
  canary_share_ratio canary_decisions_total{result}
  sessions_active sessions_evicted_total{reason}
  gateways worker_places{worker}
  prefix_calls_total{result} prefix_blocks_total prefix_matched_blocks_total prefix_held_blocks prefix_held_bytes
  worker_ready{worker} worker_stage{worker,stage} worker_restarts_total{worker,reason} worker_oom_total{worker,class}
  worker_degradation_level{worker} worker_start_seconds model_swaps_total{from,to} model_swap_seconds
  worker_requests_running{worker} worker_requests_waiting{worker} worker_kv_cache_usage_ratio{worker}
  worker_kv_cache_bytes{worker} worker_scrape_age_seconds{worker}
  gpu_utilization_ratio{gpu} gpu_memory_used_bytes{gpu} gpu_memory_total_bytes{gpu} gpu_temperature_celsius{gpu} gpu_power_watts{gpu}
  gpu_lease{gpu} gpu_lease_left_seconds{gpu}
  traces_total{kept} spans_exported_total spans_lost_total{reason}
  shutdown_duration_seconds config_last_reload_successful event_loop_delay_seconds
  build_info{version,node} worker_info{worker,engine,version} model_info{model,model_size,dtype,quantization,gpu,tp,pp,profile,tuning}
`
  .trim()
  .split(/\s+/);

const rows = Object.entries<MetricRow>(METRICS);

test('what memory can run out for is what a supervisor says', () => {
  const said = FAILURE_CLASSES.filter((name) => name.startsWith('oom-')).map((name) => name.slice('oom-'.length));
  expect([...OOM_CLASSES].toSorted()).toEqual(said.toSorted());
  const reasons = METRICS.worker_restarts_total.zeroEach.map(([reason]) => reason).filter((reason) => reason !== 'requested');
  for (const reason of reasons) expect(FAILURE_CLASSES).toContain(reason);
});

test('every reason to get no place, to break an answer off and to open a breaker is counted from 0', () => {
  const known = new Set<string>(Object.values(ERRORS).map(({ reason }) => reason));
  const rejections = METRICS.queue_rejections_total.zero.map(([reason]) => reason);
  const booked = METRICS.admission_total.zero.filter(([decision]) => decision === 'rejected').map(([, reason]) => reason);
  expect(rejections).toEqual(booked);
  const broken = METRICS.streams_broken_total.zero.map(([reason]) => reason);
  for (const reason of [...rejections, ...broken]) expect(known).toContain(reason);
  expect(rejections).toEqual(
    expect.arrayContaining(['queue_full', 'queue_timeout', 'kv_pressure', 'worker_starting', 'no_worker', 'deadline']),
  );
  expect(broken).toEqual(expect.arrayContaining(['upstream', 'upstream_timeout', 'deadline', 'draining', 'client_error']));
  const opened = METRICS.breaker_transitions_total.zeroEach.map(([, , reason]) => reason);
  expect(opened).toEqual(['consecutive_failures', 'failure_rate', 'stalled']);
});

describe('the table of metrics', () => {
  it('is what is promised, name by name and label by label', () => {
    const table = rows.map(([name, { labels }]) => (labels.length === 0 ? name : `${name}{${labels.join()}}`));
    expect(table.toSorted()).toEqual(PROMISED.toSorted());
  });

  it.each(rows)('%s is named after its kind and explained', (name, row) => {
    expect(name.endsWith('_total')).toBe(row.kind === 'counter');
    expect(row.help).toMatch(/^[A-Z0-9].*\.$/s);
    expect(row.help).not.toContain('\n');
    if (row.kind !== 'counter') return;
    for (const labels of row.zero ?? []) expect(labels).toHaveLength(row.labels.length);
    if (row.zeroEach) expect(row.labels[0]).toBe('worker');
    for (const labels of row.zeroEach ?? []) expect(['worker', ...labels]).toHaveLength(row.labels.length);
  });

  it.each(rows.filter(([, row]) => row.kind === 'histogram'))('%s has rising bucket edges', (_, row) => {
    const edges = row.kind === 'histogram' ? row.buckets : [];
    expect(edges).toEqual([...new Set(edges)].toSorted((a, b) => a - b));
    expect(edges.length).toBeGreaterThan(5);
  });

  it.each(['request_duration_seconds', 'time_to_first_token_seconds', 'queue_wait_seconds'] as const)(
    '%s has an edge at every limit that objectives are set to',
    (name) => {
      expect(METRICS[name].buckets).toEqual(expect.arrayContaining([0.2, 0.5, 5, 10, 60, 300]));
    },
  );
});
