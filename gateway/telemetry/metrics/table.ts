import { LINE_ENDS, PREFIX_RESULTS, SESSION_ENDS, type StoreTrouble } from '../../core/events.ts';

/**
 * What the page says where several processes are one gateway and each has a value of its own. first: all of them see the same, and one
 * speaks for them. Counters and histograms are always summed: what all see alike only one of them counts.
 */
export type Across = 'sum' | 'max' | 'min' | 'first';

/**
 * Every metric of the gateway, as data. The name in the table is the name on the page after `headgate_`.
 * Base units only; labels only from closed sets (see `series.ts`).
 */
export type MetricRow =
  | {
      readonly kind: 'counter';
      readonly help: string;
      readonly labels: readonly string[];
      /** Series that are there from the start: what is rare can only be alerted on if its first time is a change. */
      readonly zero?: readonly (readonly string[])[];
      /** The same for each worker that is known, whose label comes first: the labels after it. */
      readonly zeroEach?: readonly (readonly string[])[];
    }
  | { readonly kind: 'gauge'; readonly help: string; readonly labels: readonly string[]; readonly across: Across }
  | { readonly kind: 'histogram'; readonly help: string; readonly labels: readonly string[]; readonly buckets: readonly number[] };

export const METRIC_PREFIX = 'headgate_';

/*
 * Bucket edges hold every constant that an objective or a time limit is likely to be set to (0.2, 0.5, 5, 10, 60, 300 s),
 * so that the share of requests within it is counted and not interpolated.
 */
const FIRST_TOKEN_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300];
const REQUEST_SECONDS = [0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 600];
const PER_TOKEN_SECONDS = [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5];
const OVERHEAD_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 5];
const WINDOW_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1];
const START_SECONDS = [0.5, 1, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800];
const TOKENS_PER_SECOND = [1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 400, 800];
const CALLS = [1, 2, 4, 8, 16, 32, 64, 128];
const BODY_BYTES = [256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 33554432, 67108864];

/** What memory can run out for, as supervisors name it after `oom-`. */
export const OOM_CLASSES = ['weights', 'profile', 'kv-zero', 'sampler', 'graph', 'runtime', 'wake', 'host'] as const;

/** What else an engine that has served may end of: names of the supervisor's classes of failures. */
const DEATHS = [
  ...['engine-death', 'engine-hang', 'crash', 'killed', 'stopped', 'stalled', 'unresponsive', 'hardware', 'interconnect'],
  ...['sleep-failed', 'wake-failed', 'unknown'],
];

/** What may be wrong with the store of `state.url`. */
const STORE_TROUBLES: readonly StoreTrouble[] = [
  ...(['unreachable', 'timeout', 'tls', 'auth', 'memory', 'readonly', 'cluster', 'starting', 'disk', 'garbage', 'error'] as const),
];

/** Why a call may get no place: the kinds of refusal that admission knows, and the end of its time while it waits. */
const REJECTIONS = ['queue_full', 'queue_timeout', 'kv_pressure', 'worker_starting', 'no_worker', 'draining', 'deadline'] as const;

export const METRICS = {
  requests_total: {
    kind: 'counter',
    labels: ['route', 'method', 'code', 'model', 'outcome'],
    help: 'Requests ended, by the status the client was sent (499 means that it left first) and by outcome: complete, refused, broken (an answer that had begun ended in an error), disconnected.',
  },
  request_duration_seconds: {
    kind: 'histogram',
    labels: ['route', 'model'],
    buckets: REQUEST_SECONDS,
    help: 'Time from the end of the request head to the end of the answer body, refusals included.',
  },
  requests_in_flight: { kind: 'gauge', across: 'sum', labels: [], help: 'Requests accepted and not yet ended.' },
  time_to_first_token_seconds: {
    kind: 'histogram',
    labels: ['model'],
    buckets: FIRST_TOKEN_SECONDS,
    help: 'Streams only: time from the end of the request head to the first byte of body from the worker, waiting in the gateway included.',
  },
  time_per_output_token_seconds: {
    kind: 'histogram',
    labels: ['model'],
    buckets: PER_TOKEN_SECONDS,
    help: 'Streams only: time between first and last byte from the worker, divided by the output tokens of one choice after its first. Tokens as in output_tokens_total.',
  },
  output_tokens_per_second: {
    kind: 'histogram',
    labels: ['model'],
    buckets: TOKENS_PER_SECOND,
    help: 'Output tokens of a complete request divided by the time from sending it to the worker to its last byte. Tokens as in output_tokens_total.',
  },
  input_tokens_total: {
    kind: 'counter',
    labels: ['model'],
    help: 'Prompt tokens, as the usage of the worker says; of a stream that its client left before that, an estimate by the length of the prompt.',
  },
  output_tokens_total: {
    kind: 'counter',
    labels: ['model'],
    help: 'Generated tokens, as the usage of the worker says; where it sent none, the events of the stream that carried text stand in.',
  },
  cached_input_tokens_total: {
    kind: 'counter',
    labels: ['model'],
    help: 'Prompt tokens that the worker took from its prefix cache, as its usage says.',
  },
  key_requests_total: {
    kind: 'counter',
    labels: ['key', 'code'],
    help: 'Requests that came with a key of the settings, by its name and by the status the client was sent.',
  },
  key_tokens_total: {
    kind: 'counter',
    labels: ['key', 'model', 'kind'],
    help: 'Tokens of requests that came with a key, by its name and by kind: input, output, and of the input those that were cached. As in input_tokens_total and the two beside it.',
  },
  limit_rejections_total: {
    kind: 'counter',
    labels: ['key', 'limit'],
    help: 'Calls refused because a key, or an address without one (anonymous), was over a limit (requests, tokens, concurrent), or had used up a budget (day, month).',
  },
  limit_used_ratio: {
    kind: 'gauge',
    across: 'max',
    labels: ['key', 'limit'],
    help: 'How much of a limit is used, 1 for all of it. Only keys that have used some of it within the last minute (requests, tokens, concurrent), or in this day or month since the start (day, month).',
  },
  cache_requests_total: {
    kind: 'counter',
    labels: ['result'],
    help: 'Requests by where their answer came from: hit (kept from before), miss (made, and kept where it could be), joined (made for another that asked the same), bypass (not to be kept). Without a cache only joined.',
  },
  cache_entries: { kind: 'gauge', across: 'sum', labels: [], help: 'Answers that are kept for those who ask the same.' },
  cache_bytes: { kind: 'gauge', across: 'sum', labels: [], help: 'Memory that kept answers take.' },
  cache_evictions_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'Answers that are not kept any more: full (others were wanted later), expired, stale (its engine has ended), replaced (made anew).',
  },
  joined_requests_total: {
    kind: 'counter',
    labels: [],
    help: 'Requests that were answered with what was being made for another that asked the same.',
  },
  idempotent_replays_total: {
    kind: 'counter',
    labels: [],
    help: 'Requests that were answered with what an earlier one of the same idempotency key was answered.',
  },
  store_up: {
    kind: 'gauge',
    across: 'min',
    labels: [],
    help: 'Whether the store that gateways share (state.url) answers: 1 or 0. Only where one is set.',
  },
  store_errors_total: {
    kind: 'counter',
    labels: ['reason'],
    zero: STORE_TROUBLES.map((reason) => [reason]),
    help: 'What the store that gateways share was asked and did not answer, or not in time, by what was wrong.',
  },
  store_fallback_total: {
    kind: 'counter',
    labels: ['what'],
    zero: [['limits']],
    help: 'Decisions made without the store that gateways share, as state.when_unavailable says, by what was decided.',
  },
  discovery_up: {
    kind: 'gauge',
    across: 'min',
    labels: ['source'],
    help: 'Whether a place where workers are found (workers[].kubernetes, workers[].dns) can be asked: 1, or 0 while what it said last stands.',
  },
  discovery_workers: {
    kind: 'gauge',
    across: 'first',
    labels: ['source'],
    help: 'Workers that were found there and are taken, those that are about to end included.',
  },
  discovery_changes_total: {
    kind: 'counter',
    labels: ['source', 'change'],
    help: 'Workers found there that joined, left, were said to be about to end, or were replaced by another at the same address.',
  },
  overhead_seconds: {
    kind: 'histogram',
    labels: [],
    buckets: OVERHEAD_SECONDS,
    help: 'Time in the gateway itself: from the end of the request head to sending to the worker, less the wait in queue and window, plus from the last byte of the worker to the end of the answer. Includes reading the request body. Only requests completed by their first attempt.',
  },
  request_size_bytes: { kind: 'histogram', labels: [], buckets: BODY_BYTES, help: 'Size of request bodies, where it is known.' },
  response_size_bytes: { kind: 'histogram', labels: [], buckets: BODY_BYTES, help: 'Bytes of answer body sent to the client.' },

  queue_depth: { kind: 'gauge', across: 'sum', labels: ['class'], help: 'Requests waiting for a free place, by priority class.' },
  queue_wait_seconds: {
    kind: 'histogram',
    labels: [],
    buckets: FIRST_TOKEN_SECONDS,
    help: 'Time that admitted requests waited for a free place; 0 when there was one.',
  },
  queue_rejections_total: {
    kind: 'counter',
    labels: ['reason'],
    zero: REJECTIONS.map((reason) => [reason]),
    help: 'Requests turned away at admission, by reason.',
  },
  admission_total: {
    kind: 'counter',
    labels: ['decision', 'reason'],
    zero: [['admitted', 'immediate'], ['admitted', 'queued'], ...REJECTIONS.map((reason) => ['rejected', reason])],
    help: 'Decisions of admission: admitted (immediate or queued) or rejected, with the reason.',
  },
  batch_lines_total: {
    kind: 'counter',
    labels: ['result'],
    zero: LINE_ENDS.map((end) => [end]),
    help: 'Lines of batches that have ended: completed (with an answer), failed (with an error), expired and cancelled (they never ran).',
  },
  batch_line_seconds: {
    kind: 'histogram',
    labels: [],
    buckets: REQUEST_SECONDS,
    help: 'Time that the last try of a line took, waiting for a place included.',
  },
  batch_lines_waiting: {
    kind: 'gauge',
    across: 'first',
    labels: [],
    help: 'Lines of batches that have not ended, less those that the process runs that tells of them.',
  },
  batch_lines_running: { kind: 'gauge', across: 'sum', labels: [], help: 'Lines of batches that run.' },
  batches: { kind: 'gauge', across: 'first', labels: ['status'], help: 'Batches that have not ended, by status.' },
  batch_completion_ratio: {
    kind: 'gauge',
    across: 'first',
    labels: ['batch'],
    help: 'How much of each batch in progress is done, 1 for all of its lines.',
  },
  batch_size: { kind: 'histogram', labels: [], buckets: CALLS, help: 'Requests that left a batch window together.' },
  batch_window_wait_seconds: {
    kind: 'histogram',
    labels: [],
    buckets: WINDOW_SECONDS,
    help: 'Time that each request was held in a batch window.',
  },
  batch_window_ms: {
    kind: 'gauge',
    across: 'max',
    labels: ['model'],
    help: 'Milliseconds for which requests may be held to leave together; no series where the window is off.',
  },
  breaker_state: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker', 'state'],
    help: 'State of the circuit breaker: 1 for the one it is in, 0 for the others.',
  },
  breaker_transitions_total: {
    kind: 'counter',
    labels: ['worker', 'from', 'to', 'reason'],
    zeroEach: [
      ['closed', 'open', 'consecutive_failures'],
      ['closed', 'open', 'failure_rate'],
      ['closed', 'open', 'stalled'],
    ],
    help: 'Changes of state of the circuit breaker.',
  },
  retries_total: {
    kind: 'counter',
    labels: ['reason'],
    zero: [['unsent'], ['stale'], ['died'], ['stopping'], ['busy'], ['unserved'], ['failed']],
    help: 'Attempts made again, at another worker or another life of one, by what ended the one before.',
  },
  fallbacks_total: {
    kind: 'counter',
    labels: ['model', 'fallback', 'reason'],
    help: 'Calls that another model answered, in the place of the one that was asked for, by what they would have been refused with.',
  },
  resumes_total: {
    kind: 'counter',
    labels: ['model', 'outcome'],
    help: 'Streams whose worker was lost in the middle, where such go on at others, by whether it went on: resumed, or why not.',
  },
  client_disconnects_total: {
    kind: 'counter',
    labels: ['phase'],
    zero: [['admission'], ['queue'], ['window'], ['upstream'], ['stream']],
    help: 'Clients that went away, by where the request was then.',
  },
  streams_broken_total: {
    kind: 'counter',
    labels: ['reason'],
    zero: [['upstream'], ['upstream_timeout'], ['deadline'], ['draining'], ['client_error']],
    help: 'Answers that had begun and ended in an error, by reason.',
  },
  routed_requests_total: { kind: 'counter', labels: ['worker'], zeroEach: [[]], help: 'Attempts sent to each worker.' },

  sessions_active: {
    kind: 'gauge',
    across: 'sum',
    labels: [],
    help: 'Conversations that are kept at a worker. One that several processes of the gateway have seen counts once in each.',
  },
  sessions_evicted_total: {
    kind: 'counter',
    labels: ['reason'],
    zero: SESSION_ENDS.map((reason) => [reason]),
    help: 'Conversations no longer kept at a worker: idle, full (others took their place), worker_gone (or its life has ended), off (by a reload).',
  },

  prefix_calls_total: {
    kind: 'counter',
    labels: ['result'],
    zero: PREFIX_RESULTS.map((result) => [result]),
    help: 'Calls sent by how their prompt begins: held (to a worker that has most of it in its prefix cache), spilled (to one with less of it and less to do), new (none has any of it).',
  },
  prefix_blocks_total: {
    kind: 'counter',
    labels: [],
    help: 'Blocks of 256 bytes of the prompts of those calls.',
  },
  prefix_matched_blocks_total: {
    kind: 'counter',
    labels: [],
    help: 'Those of them that the worker was believed to have. What it really had is said by its own metrics of its prefix cache.',
  },
  prefix_held_blocks: {
    kind: 'gauge',
    across: 'sum',
    labels: [],
    help: 'Blocks that workers are believed to have in their prefix caches, counted for each worker and in each process.',
  },
  prefix_held_bytes: {
    kind: 'gauge',
    across: 'sum',
    labels: [],
    help: 'Memory that this knowledge takes.',
  },

  canary_share_ratio: {
    kind: 'gauge',
    across: 'first',
    labels: [],
    help: 'Share of the calls that go to workers on trial (headgate canary).',
  },
  canary_decisions_total: {
    kind: 'counter',
    labels: ['result'],
    zero: [['started'], ['step'], ['promoted'], ['rolled_back'], ['aborted']],
    help: 'What came of canaries: started, step (on to the next share), promoted, rolled_back, aborted (by an operator, or new settings).',
  },

  gateways: {
    kind: 'gauge',
    across: 'first',
    labels: [],
    help: 'How many gateways share the workers, this one included, as far as it knows. Only where any may (state.url, state.gateways).',
  },
  worker_places: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker'],
    help: 'Calls that this gateway may have at the worker now: its places less what pressure withholds and what other gateways have.',
  },
  worker_ready: { kind: 'gauge', across: 'first', labels: ['worker'], help: '1 while the worker takes requests, else 0.' },
  worker_stage: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker', 'stage'],
    help: 'How far the start of the worker has come: 1 for each stage reached, else 0.',
  },
  worker_restarts_total: {
    kind: 'counter',
    labels: ['worker', 'reason'],
    zeroEach: ['requested', ...OOM_CLASSES.map((name) => `oom-${name}`), ...DEATHS].map((reason) => [reason]),
    help: 'Restarts of the worker seen by this gateway: the class of the failure, or requested.',
  },
  worker_oom_total: {
    kind: 'counter',
    labels: ['worker', 'class'],
    zeroEach: OOM_CLASSES.map((name) => [name]),
    help: 'Failures of the worker for want of memory, by what it was short of.',
  },
  worker_degradation_level: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker'],
    help: 'Settings that the supervisor has relaxed against the profile; 0 is as asked for.',
  },
  worker_start_seconds: {
    kind: 'histogram',
    labels: [],
    buckets: START_SECONDS,
    help: 'Time from the launch of a worker to its being ready.',
  },
  model_swaps_total: { kind: 'counter', labels: ['from', 'to'], help: 'Times that a worker became ready with another model than before.' },
  model_swap_seconds: {
    kind: 'histogram',
    labels: [],
    buckets: START_SECONDS,
    help: 'Time from a worker leaving one model to its being ready with another.',
  },
  worker_requests_running: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker'],
    help: 'Requests in the running batch of the engine, as it last said.',
  },
  worker_requests_waiting: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker'],
    help: 'Requests in the waiting queue of the engine, as it last said.',
  },
  worker_kv_cache_usage_ratio: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker'],
    help: 'Share of the KV cache in use, as the engine last said.',
  },
  worker_kv_cache_bytes: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker'],
    help: 'Bytes of KV cache in use: its size times its usage. Only of engines that tell its size, which vLLM does where --kv-cache-memory-bytes is set.',
  },
  worker_scrape_age_seconds: { kind: 'gauge', across: 'max', labels: ['worker'], help: 'Time since the load of the worker was last read.' },

  gpu_utilization_ratio: { kind: 'gauge', across: 'first', labels: ['gpu'], help: 'Share of time in which the GPU was busy.' },
  gpu_memory_used_bytes: { kind: 'gauge', across: 'first', labels: ['gpu'], help: 'GPU memory in use.' },
  gpu_memory_total_bytes: { kind: 'gauge', across: 'first', labels: ['gpu'], help: 'GPU memory in all. A MIG instance goes by its id.' },
  gpu_temperature_celsius: { kind: 'gauge', across: 'first', labels: ['gpu'], help: 'Temperature of the GPU.' },
  gpu_power_watts: { kind: 'gauge', across: 'first', labels: ['gpu'], help: 'Power drawn by the GPU.' },

  gpu_lease: {
    kind: 'gauge',
    across: 'first',
    labels: ['gpu'],
    help: '1 while the GPU is lent to another program, from when its workers begin to make way; 0 otherwise.',
  },
  gpu_lease_left_seconds: { kind: 'gauge', across: 'first', labels: ['gpu'], help: 'What is left of the time that the GPU is lent for.' },

  traces_total: {
    kind: 'counter',
    labels: ['kept'],
    zero: [['error'], ['slow'], ['sampled']],
    help: 'Traces that are kept, by why: error, slow (from telemetry.slow_ms on), or sampled (telemetry.sample_ratio of the rest).',
  },
  spans_exported_total: { kind: 'counter', labels: [], zero: [[]], help: 'Spans that the collector has taken.' },
  spans_lost_total: {
    kind: 'counter',
    labels: ['reason'],
    zero: [['queue_full'], ['failed'], ['rejected'], ['shutdown']],
    help: 'Spans that did not reach the collector: they came faster than it took them, it did not take them, it refused them, or the gateway stopped.',
  },

  shutdown_duration_seconds: {
    kind: 'gauge',
    across: 'max',
    labels: [],
    help: 'How long the last drain of this process took; 0 before one.',
  },
  config_last_reload_successful: {
    kind: 'gauge',
    across: 'min',
    labels: [],
    help: '1 when the settings in force are those last asked for, 0 when the last reload was refused.',
  },
  event_loop_delay_seconds: {
    kind: 'gauge',
    across: 'max',
    labels: [],
    help: '99th percentile of the delay of the event loop over the last one to two minutes.',
  },
  build_info: { kind: 'gauge', across: 'first', labels: ['version', 'node'], help: 'Always 1; the labels say what runs.' },
  worker_info: {
    kind: 'gauge',
    across: 'first',
    labels: ['worker', 'engine', 'version'],
    help: 'Always 1; the labels say which engine each worker runs. Empty where unknown.',
  },
  model_info: {
    kind: 'gauge',
    across: 'first',
    labels: ['model', 'model_size', 'dtype', 'quantization', 'gpu', 'tp', 'pp', 'profile', 'tuning'],
    help: 'Always 1; the labels say how each model is served. Empty where unknown.',
  },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof METRICS;
type NamesOfKind<Kind extends MetricRow['kind']> = {
  [Name in MetricName]: (typeof METRICS)[Name]['kind'] extends Kind ? Name : never;
}[MetricName];
export type CounterName = NamesOfKind<'counter'>;
export type GaugeName = NamesOfKind<'gauge'>;
export type HistogramName = NamesOfKind<'histogram'>;
