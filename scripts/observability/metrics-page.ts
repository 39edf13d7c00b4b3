import { METRIC_PREFIX, METRICS, type MetricName, type MetricRow } from '../../gateway/telemetry/metrics/table.ts';

/** A name that a recording rule makes. */
export interface Recorded {
  readonly record: string;
  readonly expr: string;
}

/** Where a heading stands: before the metric that it begins with. */
const SECTIONS: Readonly<Partial<Record<MetricName, string>>> = {
  requests_total: 'Requests',
  key_requests_total: 'Keys and limits',
  cache_requests_total: 'Asked before',
  store_up: 'What gateways share',
  discovery_up: 'Workers that are found',
  overhead_seconds: 'The gateway itself',
  queue_depth: 'Queue and admission',
  batch_lines_total: 'Batches',
  batch_size: 'Batch window',
  breaker_state: 'Workers, as calls see them',
  sessions_active: 'Conversations',
  prefix_calls_total: 'How prompts begin',
  worker_ready: 'Workers',
  gpu_utilization_ratio: 'GPUs',
  shutdown_duration_seconds: 'Process',
};

/** What each label may be: none of them is free text of a client's. */
const LABELS: Readonly<Record<string, string>> = {
  batch: 'id of a batch in progress; gone when it ends',
  change: 'joined, left, ending, replaced',
  class: '`queue_depth`: interactive, batch; `worker_oom_total`: what was short',
  code: 'HTTP status that was sent; 499: the client left first',
  decision: 'admitted, rejected',
  dtype: 'precision of the weights',
  engine: 'as `workers[].engine` is written, or sim',
  fallback: 'id of the model that answered instead, or unknown',
  from: 'state of a breaker, or id of a model, before',
  gpu: 'index of the card, or id of its MIG instance; in `model_info` its name',
  key: 'name of a key in the settings; anonymous: an address without one',
  kind: 'input, output, cached',
  limit: 'requests, tokens, concurrent, day, month',
  method: 'method of HTTP, or other',
  model: 'id of a model in the registry, or unknown',
  model_size: 'size of the model, as its profile says',
  node: 'version of Node',
  outcome: 'complete, refused, broken, disconnected',
  phase: 'admission, queue, window, upstream, stream',
  pp: 'pipeline parallelism',
  profile: 'profile that the engine was started by',
  quantization: 'as the profile or the model says',
  kept: '`error`, `slow` or `sampled`',
  reason: 'one of a closed set, which the help names; for requests the `x-headgate-reason`',
  result: 'how it ended, as the help says',
  route: 'path of the API, as in the table of routes',
  source: 'where workers are found: kubernetes NAMESPACE/SERVICE, dns NAME:PORT',
  stage: 'process, model_loaded, cuda_graphs, warmup, ready',
  state: 'closed, open, half_open',
  status: 'validating, in_progress, finalizing, cancelling',
  to: 'state of a breaker, or id of a model, after',
  tp: 'tensor parallelism',
  tuning: 'tuning of the profile',
  version: 'version of Headgate; in `worker_info` the engine’s',
  what: 'what was decided without the store: limits',
  worker: 'id of a worker that is there; gone with it',
};

const ACROSS = { sum: 'summed', max: 'the largest', min: 'the smallest', first: 'seen alike by all' } as const;

/** The page as Markdown. */
export function pageOfMetrics(recorded: readonly Recorded[]): string {
  const rows = Object.entries(METRICS) as [MetricName, MetricRow][];
  const parts = [
    '# Metrics',
    'Made by `npm run docs:metrics` from `gateway/telemetry/metrics/table.ts`; a test holds the two equal.',
    '`GET /metrics` answers in Prometheus text, or in OpenMetrics where `Accept` prefers it: then a bucket of `headgate_request_duration_seconds` and `headgate_time_to_first_token_seconds` shows the last kept trace that fell into it as an exemplar (`trace_id`). Units are seconds, bytes, ratios from 0 to 1, degrees Celsius and watts; the one exception, `headgate_batch_window_ms`, is named after its setting. Beside these there are `process_*` and `nodejs_*`, as prom-client names them.',
    'A metric has at most 2,000 series in a process: what would be more is counted together as `other` (of gauges it is left out). Several processes of one gateway answer with one page: counters and histograms are summed, and of a gauge the column says what becomes one.',
    ...rows.flatMap(([name, row]) => sectionOf(name, row)),
    '## Labels',
    table(
      ['label', 'what it may be'],
      labelsOf(rows).map((label) => [`\`${label}\``, LABELS[label] ?? '']),
    ),
    '## Recorded names',
    'Made by the rules in [`prometheus/rules`](prometheus/rules): what alerts and dashboards share, and names that dashboards made for other gateways ask for.',
    table(
      ['name', 'is'],
      recorded.map(({ record, expr }) => [`\`${record}\``, `\`${expr.replace(/\s+/g, ' ').trim().replaceAll('|', '\\|')}\``]),
    ),
  ];
  return `${parts.join('\n\n').replaceAll('|\n\n|', '|\n|')}\n`;
}

function sectionOf(name: MetricName, row: MetricRow): string[] {
  const section = SECTIONS[name];
  const labels = row.labels.map((label) => `\`${label}\``).join(' ');
  const more = row.kind === 'gauge' ? `${ACROSS[row.across]}` : row.kind === 'histogram' ? `buckets ${row.buckets.join(' ')}` : '';
  const line = cells([`\`${METRIC_PREFIX}${name}\``, row.kind, labels, row.help.replaceAll('|', '\\|'), more]);
  return section === undefined
    ? [line]
    : [`## ${section}`, `${head(['name', 'kind', 'labels', 'what it is', 'buckets, or of several processes'])}\n${line}`];
}

function labelsOf(rows: readonly [MetricName, MetricRow][]): string[] {
  return [...new Set(rows.flatMap(([, { labels }]) => labels))].toSorted();
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head(columns), ...rows.map(cells)].join('\n');
}

const cells = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
const head = (columns: readonly string[]): string => `${cells(columns)}\n|${'---|'.repeat(columns.length)}`;
