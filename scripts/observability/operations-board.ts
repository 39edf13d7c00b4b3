import type { Board } from './dashboard.ts';
import { hourlyBy, lines, quantiles, query, rateBy, stat, states, table } from './panel.ts';
import { INSTANCE, JOB, OF_GATEWAY } from './variables.ts';

const of = (legend: string, metric: string) => query(legend, `${metric}{${OF_GATEWAY}}`);

export const OPERATIONS_BOARD: Board = {
  uid: 'headgate-operations',
  title: 'Headgate: operations',
  description: 'The process, its settings, keys and limits, batches, conversations, what gateways share, and what alerts are on.',
  variables: [JOB, INSTANCE],
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Gateways up', 'short', 'That Prometheus can read.', [query('up', 'sum(up{job=~"$job"})')]),
        stat(
          'Alerts on',
          'short',
          'Of Headgate, less the one that is always on.',
          [query('alerts', 'count(ALERTS{alertname=~"Headgate.*",alertname!="HeadgateWatchdog",alertstate="firing"}) or vector(0)')],
          { limits: [1, 3] },
        ),
        stat(
          'Last reload',
          'short',
          'Whether the settings in force are those last asked for.',
          [query('reload', `min(headgate_config_last_reload_successful{${OF_GATEWAY}})`)],
          {
            words: { 0: { text: 'refused', color: 'red' }, 1: { text: 'in force', color: 'green' } },
          },
        ),
        stat(
          'Event loop, p99',
          's',
          'How late the thread is that serves all. From 0.1 s on clients notice.',
          [query('late', `max(headgate_event_loop_delay_seconds{${OF_GATEWAY}})`)],
          { limits: [0.1, 0.2] },
        ),
        stat(
          'Shared store',
          'short',
          'Whether the store of state.url answers. Empty where none is set.',
          [query('store', `min(headgate_store_up{${OF_GATEWAY}})`)],
          {
            words: { 0: { text: 'away', color: 'red' }, 1: { text: 'up', color: 'green' } },
          },
        ),
        stat(
          'Workers found',
          'short',
          'Whether the places where workers are found (workers[].kubernetes, workers[].dns) can be asked. Empty where there are none.',
          [query('{{source}}', `min by (source) (headgate_discovery_up{${OF_GATEWAY}})`)],
          {
            words: { 0: { text: 'away', color: 'red' }, 1: { text: 'up', color: 'green' } },
          },
        ),
        stat('Up since', 's', 'How long the youngest gateway has run.', [
          query('since', `min(time() - process_start_time_seconds{${OF_GATEWAY}})`),
        ]),
      ],
    },
    {
      title: 'Alerts',
      panels: [
        states('Alerts on', 'short', 'When which alert was on. HeadgateWatchdog always is: its absence means that alerts do not work.', [
          query('{{alertname}}', 'max by (alertname) (ALERTS{alertname=~"Headgate.*",alertstate="firing"})'),
        ]),
        table('Versions', 'short', 'What runs where.', [
          query('', `max by (instance, version, node) (headgate_build_info{${OF_GATEWAY}})`),
        ]),
      ],
    },
    {
      title: 'Process',
      panels: [
        lines(
          'Event loop',
          's',
          'p99 of its delay over the last minute or two, the worst of all processes.',
          [of('{{instance}}', 'headgate_event_loop_delay_seconds')],
          { limits: [0.1, 0.2] },
        ),
        lines('CPU', 'percentunit', 'Of one core; all processes of a gateway together.', [
          query('{{instance}}', `rate(process_cpu_seconds_total{${OF_GATEWAY}}[$__rate_interval])`),
        ]),
        lines('Memory', 'bytes', 'All that the process holds, and of it the heap in use.', [
          of('{{instance}} resident', 'process_resident_memory_bytes'),
          of('{{instance}} heap', 'nodejs_heap_size_used_bytes'),
        ]),
        lines(
          'Open files',
          'percentunit',
          'Of those that it may have. A connection is one.',
          [query('{{instance}}', `process_open_fds{${OF_GATEWAY}} / process_max_fds{${OF_GATEWAY}}`)],
          { limits: [0.5, 0.8], max: 1 },
        ),
        lines('Collecting garbage', 'percentunit', 'Share of time that the process stands still for it.', [
          query('{{instance}}', `sum by (instance) (rate(nodejs_gc_duration_seconds_sum{${OF_GATEWAY}}[$__rate_interval]))`),
        ]),
        lines('Last drain', 's', 'How long it took to let what ran end; 0 before one.', [
          of('{{instance}}', 'headgate_shutdown_duration_seconds'),
        ]),
      ],
    },
    {
      title: 'Keys, limits, budgets',
      panels: [
        lines('Requests by key', 'reqps', 'By the name in the settings.', [rateBy('key', 'headgate_key_requests_total', OF_GATEWAY)], {
          stacked: true,
        }),
        lines(
          'Requests by status, with a key',
          'reqps',
          '401 is not among them: a wrong key has no name.',
          [rateBy('code', 'headgate_key_requests_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines(
          'Tokens by key',
          'short',
          'A second, prompt and answer together.',
          [query('{{key}}', `sum by (key) (rate(headgate_key_tokens_total{${OF_GATEWAY},kind=~"input|output"}[$__rate_interval]))`)],
          { stacked: true },
        ),
        lines(
          'Refused by limits',
          'reqps',
          'By key and limit (requests, tokens, concurrent; day and month are budgets).',
          [query('{{key}} {{limit}}', `sum by (key, limit) (rate(headgate_limit_rejections_total{${OF_GATEWAY}}[$__rate_interval]))`)],
          { stacked: true },
        ),
        lines(
          'Used of each limit',
          'percentunit',
          'The fullest twenty. 1 is all of it.',
          [query('{{key}} {{limit}}', `topk(20, max by (key, limit) (headgate_limit_used_ratio{${OF_GATEWAY}}))`)],
          { limits: [0.8, 1] },
        ),
        lines('Shared store: trouble', 'reqps', 'What it was asked and did not answer, and what was decided without it.', [
          query(
            '{{reason}}',
            `sum by (reason) (rate(headgate_store_errors_total{${OF_GATEWAY}}[$__rate_interval])) > 0 or sum by (reason) (rate(headgate_store_errors_total{${OF_GATEWAY},reason="unreachable"}[$__rate_interval]))`,
          ),
          query('{{what}} decided alone', `sum by (what) (rate(headgate_store_fallback_total{${OF_GATEWAY}}[$__rate_interval]))`),
        ]),
      ],
    },
    {
      title: 'Traces (telemetry.otlp_endpoint)',
      panels: [
        lines(
          'Traces kept',
          'reqps',
          'error: every request that failed; slow: from telemetry.slow_ms on; sampled: telemetry.sample_ratio of the rest.',
          [rateBy('kept', 'headgate_traces_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines('Spans sent', 'reqps', 'That the collector took, and all that did not reach it.', [
          query('taken', `sum(rate(headgate_spans_exported_total{${OF_GATEWAY}}[$__rate_interval]))`),
          query('lost', `sum(rate(headgate_spans_lost_total{${OF_GATEWAY}}[$__rate_interval]))`),
        ]),
        lines(
          'Spans lost',
          'reqps',
          'failed: the collector did not take them; rejected: it refused them; queue_full: they came faster than it takes them; shutdown: the gateway ended first.',
          [rateBy('reason', 'headgate_spans_lost_total', OF_GATEWAY)],
          { stacked: true },
        ),
      ],
    },
    {
      title: 'Batches and conversations',
      panels: [
        lines(
          'Lines that ended',
          'reqps',
          'completed, failed, expired, cancelled.',
          [rateBy('result', 'headgate_batch_lines_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines('Lines', 'short', 'That wait, and that run.', [
          query('waiting', `max(headgate_batch_lines_waiting{${OF_GATEWAY}})`),
          query('running', `sum(headgate_batch_lines_running{${OF_GATEWAY}})`),
        ]),
        lines('Batches under way', 'short', 'By status.', [query('{{status}}', `max by (status) (headgate_batches{${OF_GATEWAY}})`)], {
          stacked: true,
        }),
        lines(
          'Progress',
          'percentunit',
          'Of each batch in progress.',
          [query('{{batch}}', `max by (batch) (headgate_batch_completion_ratio{${OF_GATEWAY}})`)],
          { max: 1 },
        ),
        lines('Time of a line', 's', 'Its last try, waiting for a place included.', quantiles('headgate_batch_line_seconds', OF_GATEWAY)),
        lines('Conversations', 'short', 'Kept at the worker that has their beginning in its cache.', [
          query('active', `sum(headgate_sessions_active{${OF_GATEWAY}})`),
        ]),
        lines(
          'Conversations no longer kept, within an hour',
          'short',
          'idle, full (others took their place), worker_gone, off (by a reload).',
          [hourlyBy(['reason'], 'headgate_sessions_evicted_total', OF_GATEWAY)],
        ),
        lines(
          'Where prompts went, within an hour',
          'short',
          'held: where most of it is in the cache; spilled: where there was less to do; new: nobody had any of it.',
          [hourlyBy(['result'], 'headgate_prefix_calls_total', OF_GATEWAY)],
        ),
      ],
    },
    {
      title: 'Fleet',
      panels: [
        lines('Workers, by where they are found', 'short', 'Those of each place that are taken. Empty where all are listed.', [
          query('{{source}}', `max by (source) (headgate_discovery_workers{${OF_GATEWAY}})`),
        ]),
        lines(
          'Workers that came and went, within an hour',
          'short',
          'joined, left, ending (told to end), replaced (another at the same address), at each place.',
          [hourlyBy(['source', 'change'], 'headgate_discovery_changes_total', OF_GATEWAY)],
        ),
        lines(
          'Gateways that share the workers',
          'short',
          'As each of them sees it. They should agree. Empty where a gateway has its workers for itself.',
          [query('{{instance}}', `max by (instance) (headgate_gateways{${OF_GATEWAY}})`)],
        ),
        lines(
          'Places of each gateway',
          'short',
          'Calls that it may have at all workers now: what other gateways have, and what pressure withholds, is not among them.',
          [query('{{instance}}', `sum by (instance) (headgate_worker_places{${OF_GATEWAY}})`)],
          { stacked: true },
        ),
      ],
    },
  ],
};
