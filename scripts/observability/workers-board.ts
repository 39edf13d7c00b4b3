import type { Board } from './dashboard.ts';
import { hourlyBy, lines, quantiles, query, rateBy, stat, states, table } from './panel.ts';
import { INSTANCE, JOB, MODEL, OF_ENGINE, OF_GATEWAY, OF_MODEL, OF_WORKER, WORKER } from './variables.ts';

const EITHER = { 0: { text: 'no', color: 'red' }, 1: { text: 'yes', color: 'green' } };
const LENT = { 0: { text: 'no', color: 'green' }, 1: { text: 'yes', color: 'blue' } };
const BREAKER = { 0: { text: 'closed', color: 'green' }, 1: { text: 'half open', color: 'yellow' }, 2: { text: 'open', color: 'red' } };
const STAGES = {
  0: { text: 'not started', color: 'red' },
  1: { text: 'process', color: 'orange' },
  2: { text: 'model loaded', color: 'orange' },
  3: { text: 'CUDA graphs', color: 'yellow' },
  4: { text: 'warm-up', color: 'yellow' },
  5: { text: 'ready', color: 'green' },
};

const byWorker = (metric: string) => [query('{{worker}}', `max by (worker) (${metric}{${OF_WORKER}})`)];
const byCard = (metric: string) => [query('GPU {{gpu}}', `max by (instance, gpu) (${metric}{${OF_GATEWAY}})`)];
const engineP95 = (histogram: string) => [
  query('{{instance}}', `histogram_quantile(0.95, sum by (instance, le) (rate(${histogram}_bucket{${OF_ENGINE}}[$__rate_interval])))`),
];

export const WORKERS_BOARD: Board = {
  uid: 'headgate-workers',
  title: 'Headgate: workers and GPUs',
  description: 'How the engines and their cards are: as the gateway sees them, as the supervisor starts them, and as vLLM tells itself.',
  variables: [JOB, INSTANCE, MODEL, WORKER],
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Workers ready', 'short', 'Workers that take requests.', [
          query('ready', `sum(max by (worker) (headgate_worker_ready{${OF_WORKER}}))`),
        ]),
        stat(
          'Breakers open',
          'short',
          'Workers that get no requests because too many failed.',
          [query('open', `sum(max by (worker) (headgate_breaker_state{${OF_WORKER},state="open"}))`)],
          { limits: [1, 2] },
        ),
        stat(
          'Restarts in the last hour',
          'short',
          'Failures only; what an operator asked for is not among them.',
          [query('restarts', `sum(increase(headgate_worker_restarts_total{${OF_WORKER},reason!="requested"}[1h]))`)],
          { limits: [1, 3] },
        ),
        stat(
          'Out of memory in the last hour',
          'short',
          'Of the card or of the host.',
          [query('times', `sum(increase(headgate_worker_oom_total{${OF_WORKER}}[1h]))`)],
          { limits: [1, 3] },
        ),
        stat(
          'KV cache, fullest',
          'percentunit',
          'Of the workers that are read.',
          [query('used', `max(headgate_worker_kv_cache_usage_ratio{${OF_WORKER}})`)],
          { limits: [0.85, 0.95], max: 1 },
        ),
        stat(
          'Hottest GPU',
          'celsius',
          'Cards slow down by themselves from about 85 °C on.',
          [query('GPU', `max(headgate_gpu_temperature_celsius{${OF_GATEWAY}})`)],
          {
            limits: [80, 85],
          },
        ),
      ],
    },
    {
      title: 'Lives',
      panels: [
        states('Ready', 'short', 'Whether each worker takes requests.', byWorker('headgate_worker_ready'), {
          words: EITHER,
          limits: [0.5, 1],
        }),
        states(
          'Stage of the start',
          'short',
          'How far the start of each worker has come.',
          [query('{{worker}}', `sum by (worker) (max by (worker, stage) (headgate_worker_stage{${OF_WORKER}}))`)],
          { words: STAGES, limits: [1, 5] },
        ),
        states(
          'Circuit breaker',
          'short',
          'open: no requests for a while; half open: a few, to try.',
          [
            query(
              '{{worker}}',
              `max by (worker) (2 * headgate_breaker_state{${OF_WORKER},state="open"} or headgate_breaker_state{${OF_WORKER},state="half_open"})`,
            ),
          ],
          { words: BREAKER, limits: [1, 2] },
        ),
        states(
          'Settings relaxed',
          'short',
          'How many settings the supervisor has relaxed against the profile, to get the worker up.',
          byWorker('headgate_worker_degradation_level'),
          { limits: [1, 3] },
        ),
        lines('Restarts within an hour', 'short', 'By the class of the failure, or requested.', [
          hourlyBy(['worker', 'reason'], 'headgate_worker_restarts_total', OF_WORKER),
        ]),
        lines('Out of memory within an hour', 'short', 'By what was short: weights, kv-zero, graph, sampler, runtime, host.', [
          hourlyBy(['worker', 'class'], 'headgate_worker_oom_total', OF_WORKER),
        ]),
        lines('Changes of breakers within an hour', 'short', 'What opened and closed them.', [
          hourlyBy(['worker', 'from', 'to', 'reason'], 'headgate_breaker_transitions_total', OF_WORKER),
        ]),
        lines('Time to start', 's', 'From the launch of a worker to its being ready.', [
          query(
            'mean',
            `sum(rate(headgate_worker_start_seconds_sum{${OF_GATEWAY}}[1h])) / sum(rate(headgate_worker_start_seconds_count{${OF_GATEWAY}}[1h]))`,
          ),
        ]),
        lines('Models that took turns, within an hour', 'short', 'Times that a worker became ready with another model than before.', [
          hourlyBy(['from', 'to'], 'headgate_model_swaps_total', OF_GATEWAY),
        ]),
        lines('Time of a swap', 's', 'From a worker leaving one model to its being ready with another.', [
          query(
            'mean',
            `sum(rate(headgate_model_swap_seconds_sum{${OF_GATEWAY}}[1h])) / sum(rate(headgate_model_swap_seconds_count{${OF_GATEWAY}}[1h]))`,
          ),
        ]),
      ],
    },
    {
      title: 'Load, as the gateway sees it',
      panels: [
        lines('Attempts sent', 'reqps', 'To each worker.', [rateBy('worker', 'headgate_routed_requests_total', OF_WORKER)]),
        lines(
          'Running in the engine',
          'short',
          'Requests in its running batch, as it last said.',
          byWorker('headgate_worker_requests_running'),
        ),
        lines(
          'Waiting in the engine',
          'short',
          'Requests in its own queue. The gateway keeps it short.',
          byWorker('headgate_worker_requests_waiting'),
        ),
        lines(
          'KV cache in use',
          'percentunit',
          'Above pressure.critical_kv_usage (0.95) new requests wait.',
          byWorker('headgate_worker_kv_cache_usage_ratio'),
          { limits: [0.85, 0.95], max: 1 },
        ),
        lines(
          'KV cache in use',
          'bytes',
          'Its size times its usage. Only of engines that were started with --kv-cache-memory-bytes: others do not tell the size.',
          byWorker('headgate_worker_kv_cache_bytes'),
        ),
        lines(
          'Age of these figures',
          's',
          'Time since the load of each worker was last read (every pressure.scrape_interval_ms).',
          byWorker('headgate_worker_scrape_age_seconds'),
        ),
      ],
    },
    {
      title: 'Engines, as vLLM tells (job vllm)',
      panels: [
        lines('Running and waiting', 'short', 'Requests in the scheduler of each engine.', [
          query('{{instance}} running', `sum by (instance) (vllm:num_requests_running{${OF_ENGINE}})`),
          query('{{instance}} waiting', `sum by (instance) (vllm:num_requests_waiting{${OF_ENGINE}})`),
        ]),
        lines('Why requests wait', 'short', 'capacity: no room in the batch or the cache; deferred: put off for something else.', [
          query('{{reason}}', `sum by (reason) (vllm:num_requests_waiting_by_reason{${OF_ENGINE}})`),
        ]),
        lines(
          'KV cache',
          'percentunit',
          'Share in use.',
          [query('{{instance}}', `max by (instance) (vllm:kv_cache_usage_perc{${OF_ENGINE}})`)],
          { max: 1 },
        ),
        lines('Preemptions within an hour', 'short', 'Requests thrown out of the batch for want of cache, and computed anew.', [
          query('{{instance}}', `sum by (instance) (increase(vllm:num_preemptions_total{${OF_ENGINE}}[1h]))`),
        ]),
        lines(
          'Prefix cache, hit ratio',
          'percentunit',
          'Share of prompt tokens found in the cache.',
          [
            query(
              '{{instance}}',
              `sum by (instance) (rate(vllm:prefix_cache_hits_total{${OF_ENGINE}}[$__rate_interval])) / sum by (instance) (rate(vllm:prefix_cache_queries_total{${OF_ENGINE}}[$__rate_interval]))`,
            ),
          ],
          { max: 1 },
        ),
        lines('Tokens', 'short', 'A second: prompts read, answers written.', [
          query('{{instance}} prompt', `sum by (instance) (rate(vllm:prompt_tokens_total{${OF_ENGINE}}[$__rate_interval]))`),
          query('{{instance}} generated', `sum by (instance) (rate(vllm:generation_tokens_total{${OF_ENGINE}}[$__rate_interval]))`),
        ]),
        lines(
          'Time to first token, p95',
          's',
          'In the engine: the difference to the gateway’s is what was waited before.',
          engineP95('vllm:time_to_first_token_seconds'),
        ),
        lines('Between tokens, p95', 's', 'From one token to the next.', engineP95('vllm:inter_token_latency_seconds')),
        lines('Waiting in the engine, p95', 's', 'Before a request first runs.', engineP95('vllm:request_queue_time_seconds')),
        lines('Prefill, p95', 's', 'Reading the prompt.', engineP95('vllm:request_prefill_time_seconds')),
        lines('Decode, p95', 's', 'Writing the answer.', engineP95('vllm:request_decode_time_seconds')),
        lines('Whole requests, p95', 's', 'In the engine, from arrival to end.', engineP95('vllm:e2e_request_latency_seconds')),
        lines(
          'How requests ended',
          'reqps',
          'stop, length, abort (its client left), error.',
          [query('{{finished_reason}}', `sum by (finished_reason) (rate(vllm:request_success_total{${OF_ENGINE}}[$__rate_interval]))`)],
          { stacked: true },
        ),
        lines('Tokens in a step', 'short', 'Mean of all steps of each engine.', [
          query(
            '{{instance}}',
            `sum by (instance) (rate(vllm:iteration_tokens_total_sum{${OF_ENGINE}}[$__rate_interval])) / sum by (instance) (rate(vllm:iteration_tokens_total_count{${OF_ENGINE}}[$__rate_interval]))`,
          ),
        ]),
        lines('Asleep', 'short', 'Engines that sleep (their memory is free for others), by depth.', [
          query('{{instance}} {{sleep_state}}', `sum by (instance, sleep_state) (vllm:engine_sleep_state{${OF_ENGINE}})`),
        ]),
      ],
    },
    {
      title: 'GPUs',
      panels: [
        lines(
          'Busy',
          'percentunit',
          'Share of time in which each card did something. It says nothing of how much.',
          byCard('headgate_gpu_utilization_ratio'),
          { max: 1 },
        ),
        lines(
          'Memory in use',
          'percentunit',
          'Of all that the card has. vLLM takes its share at the start, so a high figure is as wanted.',
          [
            query(
              'GPU {{gpu}}',
              `max by (instance, gpu) (headgate_gpu_memory_used_bytes{${OF_GATEWAY}}) / max by (instance, gpu) (headgate_gpu_memory_total_bytes{${OF_GATEWAY}})`,
            ),
          ],
          { max: 1 },
        ),
        lines('Temperature', 'celsius', 'Cards slow down by themselves from about 85 °C on.', byCard('headgate_gpu_temperature_celsius'), {
          limits: [80, 85],
        }),
        lines('Power', 'watt', 'Drawn by each card.', byCard('headgate_gpu_power_watts')),
        lines('Tokens for each watt', 'short', 'Output tokens for a watt second, of all cards together.', [
          query(
            'tokens',
            `sum(rate(headgate_output_tokens_total{${OF_MODEL}}[$__rate_interval])) / sum(max by (instance, gpu) (headgate_gpu_power_watts{${OF_GATEWAY}}))`,
          ),
        ]),
        lines(
          'Output tokens a second, p50',
          'short',
          'Of one request, over all workers: what a reader sees.',
          quantiles('headgate_output_tokens_per_second', OF_MODEL).slice(0, 1),
        ),
        states('Lent', 'short', 'Whether each card is lent to another program (headgate lease).', byCard('headgate_gpu_lease'), {
          words: LENT,
        }),
        table('Engines', 'short', 'What runs at each worker, and its version.', [
          query('', `max by (worker, engine, version) (headgate_worker_info{${OF_WORKER}})`),
        ]),
        table('How models are served', 'short', 'Profile, precision, quantization, parallelism.', [
          query('', `max by (model, model_size, dtype, quantization, gpu, tp, pp, profile, tuning) (headgate_model_info{${OF_MODEL}})`),
        ]),
      ],
    },
  ],
};
