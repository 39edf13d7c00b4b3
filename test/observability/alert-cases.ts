/** Values of a series, minute by minute. */
type Values = readonly number[];
export type SeriesOf = Readonly<Record<string, Values>>;

/** The life of an alert: a series that is well, bad, and well again. Times are minutes. */
export interface AlertCase {
  readonly alert: string;
  readonly series: SeriesOf;
  /** null: it is never off. */
  readonly quiet: number | null;
  readonly on: number;
  readonly off: number | null;
  /** What is nearly the same, and must never be told, with the minute at which it is looked at. */
  readonly near: readonly (readonly [why: string, series: SeriesOf, at: number])[];
}

type Stretch = readonly [each: number, minutes: number];

/** A gauge that has each value for so many minutes. */
const level = (...stretches: readonly Stretch[]): Values => stretches.flatMap(([value, minutes]) => Array<number>(minutes).fill(value));

/** A counter that grows by so much a minute, for so many minutes. */
function grows(...stretches: readonly Stretch[]): Values {
  let sum = 0;
  return stretches.flatMap(([each, minutes]) => Array.from({ length: minutes }, () => (sum += each)));
}

const OF = 'job="headgate",instance="g"';
const [WORKER, OTHER] = [`${OF},worker="w0"`, `${OF},worker="w1"`];
const good = `headgate_requests_total{${OF},code="200",outcome="complete"}`;
const bad = `headgate_requests_total{${OF},code="503",outcome="refused"}`;
const broken = `headgate_requests_total{${OF},code="200",outcome="broken"}`;
const inTime = `headgate_time_to_first_token_seconds_bucket{${OF},le="5"}`;
const streams = `headgate_time_to_first_token_seconds_count{${OF}}`;
const lost = (reason: string): string => `headgate_spans_lost_total{${OF},reason="${reason}"}`;
const exported = `headgate_spans_exported_total{${OF}}`;
const DAY = 1440;

/** A gauge that is well for 30 minutes, bad for 60, and well again. */
function gauge(alert: string, series: string, well: number, ill: number, on: number, near: AlertCase['near']): AlertCase {
  return { alert, series: { [series]: level([well, 30], [ill, 60], [well, 30]) }, quiet: 29, on: 30 + on, off: 95, near };
}

const always = (series: string, value: number): SeriesOf => ({ [series]: level([value, 120]) });

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'HeadgateErrorsBurnFast',
    series: { [good]: grows([60, 120], [40, 60], [60, 120]), [bad]: grows([0, 120], [20, 60], [0, 120]) },
    ...{ quiet: 100, on: 160, off: 240 },
    near: [
      ['2 % fail, which is slow', { [good]: grows([98, 400]), [bad]: grows([2, 400]) }, 390],
      ['hardly anybody calls', { [good]: grows([0.1, 400]), [bad]: grows([0.1, 400]) }, 390],
    ],
  },
  {
    alert: 'HeadgateErrorsBurnSlowly',
    series: { [good]: grows([98, 3600]), [broken]: grows([0, DAY], [2, DAY], [0, 720]) },
    ...{ quiet: 1400, on: 2800, off: 3400 },
    near: [['0.4 % fail, as may be', { [good]: grows([996, DAY]), [bad]: grows([4, DAY]) }, 1430]],
  },
  {
    alert: 'HeadgateFirstTokensLateFast',
    series: { [streams]: grows([60, 400]), [inTime]: grows([60, 120], [10, 90], [60, 190]) },
    ...{ quiet: 110, on: 205, off: 290 },
    near: [['a quarter is late', { [streams]: grows([60, 400]), [inTime]: grows([45, 400]) }, 390]],
  },
  {
    alert: 'HeadgateFirstTokensLateSlowly',
    series: { [streams]: grows([100, 3600]), [inTime]: grows([100, DAY], [80, DAY], [100, 720]) },
    ...{ quiet: 1400, on: 2800, off: 3400 },
    near: [['4 % are late, as may be', { [streams]: grows([100, DAY]), [inTime]: grows([96, DAY]) }, 1430]],
  },
  gauge('HeadgateDown', `up{${OF}}`, 1, 0, 5, [
    ['another job is down', { ...always('up{job="other"}', 0), ...always(`up{${OF}}`, 1) }, 100],
  ]),
  { alert: 'HeadgateDown', series: always('up{job="other"}', 1), quiet: null, on: 30, off: null, near: [] },
  {
    alert: 'HeadgateRestarts',
    series: { [`process_start_time_seconds{${OF}}`]: level([100, 30], [200, 3], [300, 3], [400, 60]) },
    ...{ quiet: 33, on: 40, off: 75 },
    near: [['it was started anew, once', { [`process_start_time_seconds{${OF}}`]: level([100, 30], [200, 60]) }, 40]],
  },
  gauge('HeadgateQueueNearlyFull', `headgate_queue_depth{${OF},class="interactive"}`, 3, 90, 5, [
    ['80 wait', always(`headgate_queue_depth{${OF},class="interactive"}`, 80), 100],
  ]),
  {
    alert: 'HeadgateTurnsAway',
    series: {
      [`headgate_queue_rejections_total{${OF},reason="queue_full"}`]: grows([0, 30], [10, 60], [0, 30]),
      [`headgate_admission_total{${OF},decision="admitted"}`]: grows([90, 120]),
    },
    ...{ quiet: 29, on: 50, off: 100 },
    near: [
      [
        'four in a hundred',
        {
          [`headgate_queue_rejections_total{${OF},reason="queue_full"}`]: grows([4, 120]),
          [`headgate_admission_total{${OF},decision="admitted"}`]: grows([100, 120]),
        },
        100,
      ],
    ],
  },
  {
    alert: 'HeadgateAnswersBreakOff',
    series: { [`headgate_streams_broken_total{${OF},reason="upstream"}`]: grows([0, 30], [5, 60], [0, 30]), [good]: grows([100, 120]) },
    ...{ quiet: 29, on: 45, off: 105 },
    near: [
      [
        'clients are at fault',
        { [`headgate_streams_broken_total{${OF},reason="client_error"}`]: grows([5, 120]), [good]: grows([100, 120]) },
        100,
      ],
      [
        'one of few',
        { [`headgate_streams_broken_total{${OF},reason="upstream"}`]: grows([0, 30], [1, 1], [0, 60]), [good]: grows([1, 120]) },
        35,
      ],
    ],
  },
  {
    alert: 'HeadgateRetriesUsedUp',
    series: {
      [`headgate_retries_total{${OF},reason="failed"}`]: grows([0, 30], [20, 60], [0, 30]),
      [`headgate_routed_requests_total{${WORKER}}`]: grows([100, 120]),
    },
    ...{ quiet: 29, on: 50, off: 100 },
    near: [
      [
        'one in ten',
        {
          [`headgate_retries_total{${OF},reason="failed"}`]: grows([10, 120]),
          [`headgate_routed_requests_total{${WORKER}}`]: grows([100, 120]),
        },
        100,
      ],
    ],
  },
  {
    alert: 'HeadgateCallsFallBack',
    series: {
      [`headgate_fallbacks_total{${OF},model="chat",fallback="x",reason="queue_full"}`]: grows([0, 30], [10, 60], [0, 30]),
      [good]: grows([100, 120]),
    },
    ...{ quiet: 29, on: 50, off: 100 },
    near: [
      [
        'one in fifty',
        { [`headgate_fallbacks_total{${OF},model="chat",fallback="x",reason="queue_full"}`]: grows([2, 120]), [good]: grows([100, 120]) },
        100,
      ],
    ],
  },
  gauge('HeadgateEventLoopLate', `headgate_event_loop_delay_seconds{${OF}}`, 0.01, 0.3, 10, [
    ['0.15 s', always(`headgate_event_loop_delay_seconds{${OF}}`, 0.15), 100],
  ]),
  gauge('HeadgateReloadRefused', `headgate_config_last_reload_successful{${OF}}`, 1, 0, 10, [
    ['it is mended at once', { [`headgate_config_last_reload_successful{${OF}}`]: level([1, 30], [0, 3], [1, 30]) }, 34],
  ]),
  {
    alert: 'HeadgateFilesRunOut',
    series: { [`process_open_fds{${OF}}`]: level([100, 30], [900, 60], [100, 30]), [`process_max_fds{${OF}}`]: level([1000, 120]) },
    ...{ quiet: 29, on: 40, off: 95 },
    near: [['seven tenths', { ...always(`process_open_fds{${OF}}`, 700), ...always(`process_max_fds{${OF}}`, 1000) }, 100]],
  },
  gauge('HeadgateStoreAway', `headgate_store_up{${OF}}`, 1, 0, 5, [['it is there', always(`headgate_store_up{${OF}}`, 1), 100]]),
  gauge('HeadgateDiscoveryAway', `headgate_discovery_up{${OF},source="dns vllm:8000"}`, 1, 0, 8, [
    ['an API server is started again', { [`headgate_discovery_up{${OF},source="dns vllm:8000"}`]: level([1, 30], [0, 3], [1, 60]) }, 33],
  ]),
  {
    alert: 'HeadgateSpansLost',
    series: { [lost('failed')]: grows([0, 30], [40, 60], [0, 60]), [exported]: grows([40, 30], [0, 60], [40, 60]) },
    ...{ quiet: 29, on: 45, off: 100 },
    near: [
      [
        'the collector is started again',
        { [lost('failed')]: grows([0, 30], [40, 2], [0, 60]), [exported]: grows([40, 30], [0, 2], [40, 60]) },
        35,
      ],
      ['one in fifty is refused', { [lost('rejected')]: grows([2, 120]), [exported]: grows([98, 120]) }, 110],
      ['nothing is traced', { [lost('failed')]: level([0, 120]), [exported]: level([0, 120]) }, 110],
    ],
  },
  gauge('HeadgateBudgetNearlyUsed', `headgate_limit_used_ratio{${OF},key="a",limit="day"}`, 0.5, 0.95, 5, [
    ['a limit of a minute', always(`headgate_limit_used_ratio{${OF},key="a",limit="requests"}`, 1), 100],
  ]),
  {
    alert: 'HeadgateBatchesStandStill',
    series: {
      [`headgate_batch_lines_waiting{${OF}}`]: level([10, 300]),
      [`headgate_batch_lines_running{${OF}}`]: level([4, 30], [0, 120], [4, 150]),
      [`headgate_batch_lines_total{${OF},result="completed"}`]: grows([5, 30], [0, 120], [5, 150]),
    },
    ...{ quiet: 29, on: 110, off: 155 },
    near: [
      [
        'they go on',
        {
          [`headgate_batch_lines_waiting{${OF}}`]: level([10, 120]),
          [`headgate_batch_lines_running{${OF}}`]: level([0, 120]),
          [`headgate_batch_lines_total{${OF},result="completed"}`]: grows([1, 120]),
        },
        110,
      ],
    ],
  },
  {
    alert: 'HeadgateBatchLinesFail',
    series: {
      [`headgate_batch_lines_total{${OF},result="failed"}`]: grows([0, 30], [2, 60], [0, 90]),
      [`headgate_batch_lines_total{${OF},result="completed"}`]: grows([8, 180]),
    },
    ...{ quiet: 29, on: 80, off: 150 },
    near: [
      [
        'one in twenty',
        {
          [`headgate_batch_lines_total{${OF},result="failed"}`]: grows([1, 180]),
          [`headgate_batch_lines_total{${OF},result="completed"}`]: grows([19, 180]),
        },
        150,
      ],
    ],
  },
  {
    alert: 'HeadgateNoWorkerReady',
    series: {
      [`headgate_worker_ready{${WORKER}}`]: level([1, 30], [0, 60], [1, 30]),
      [`headgate_worker_ready{${OTHER}}`]: level([0, 120]),
      [`headgate_build_info{${OF}}`]: level([1, 120]),
    },
    ...{ quiet: 29, on: 40, off: 95 },
    near: [['one of two is', { ...always(`headgate_worker_ready{${WORKER}}`, 1), ...always(`headgate_worker_ready{${OTHER}}`, 0) }, 100]],
  },
  { alert: 'HeadgateNoWorkerReady', series: always(`headgate_build_info{${OF}}`, 1), quiet: null, on: 30, off: null, near: [] },
  gauge('HeadgateWorkerNotReady', `headgate_worker_ready{${WORKER}}`, 1, 0, 20, [
    ['ten minutes of loading', { [`headgate_worker_ready{${WORKER}}`]: level([1, 30], [0, 10], [1, 30]) }, 40],
  ]),
  {
    alert: 'HeadgateWorkerCrashes',
    series: { [`headgate_worker_restarts_total{${WORKER},reason="crash"}`]: grows([0, 30], [0.5, 20], [0, 60]) },
    ...{ quiet: 29, on: 48, off: 75 },
    near: [['an operator asks for it', { [`headgate_worker_restarts_total{${WORKER},reason="requested"}`]: grows([1, 120]) }, 100]],
  },
  {
    alert: 'HeadgateWorkerOutOfMemory',
    series: { [`headgate_worker_oom_total{${WORKER},class="runtime"}`]: grows([0, 30], [1, 1], [0, 60]) },
    ...{ quiet: 29, on: 32, off: 50 },
    near: [['that was long ago', { [`headgate_worker_oom_total{${WORKER},class="runtime"}`]: level([3, 120]) }, 100]],
  },
  gauge('HeadgateWorkerDegraded', `headgate_worker_degradation_level{${WORKER}}`, 0, 2, 40, [
    ['nothing is relaxed', always(`headgate_worker_degradation_level{${WORKER}}`, 0), 100],
  ]),
  gauge('HeadgateBreakerOpen', `headgate_breaker_state{${WORKER},state="open"}`, 0, 1, 3, [
    ['it tries', always(`headgate_breaker_state{${WORKER},state="half_open"}`, 1), 100],
  ]),
  gauge('HeadgateWorkerNotRead', `headgate_worker_scrape_age_seconds{${WORKER}}`, 0.3, 60, 5, [
    ['ten seconds', always(`headgate_worker_scrape_age_seconds{${WORKER}}`, 10), 100],
  ]),
  gauge('HeadgateKvCacheFull', `headgate_worker_kv_cache_usage_ratio{${WORKER}}`, 0.4, 0.95, 10, [
    ['85 %', always(`headgate_worker_kv_cache_usage_ratio{${WORKER}}`, 0.85), 100],
  ]),
  {
    alert: 'HeadgateEnginePreempts',
    series: { 'vllm:num_preemptions_total{job="vllm",instance="e",model_name="m"}': grows([0, 30], [5, 60], [0, 60]) },
    ...{ quiet: 29, on: 50, off: 105 },
    near: [['one now and then', { 'vllm:num_preemptions_total{job="vllm",instance="e",model_name="m"}': grows([0.5, 120]) }, 100]],
  },
  gauge('HeadgateGpuHot', `headgate_gpu_temperature_celsius{${OF},gpu="0"}`, 60, 90, 10, [
    ['85 degrees', always(`headgate_gpu_temperature_celsius{${OF},gpu="0"}`, 85), 100],
  ]),
  { alert: 'HeadgateWatchdog', series: always('up{job="headgate"}', 1), quiet: null, on: 5, off: null, near: [] },
];
