import type { Board } from './dashboard.ts';
import { heat, lines, quantiles, query, rateBy, rateByAll, stat } from './panel.ts';
import { INSTANCE, JOB, MODEL, OF_GATEWAY, OF_MODEL } from './variables.ts';

const FAILED = `(sum(rate(headgate_requests_total{${OF_MODEL},code=~"5.."}[$__rate_interval])) or vector(0)) + (sum(rate(headgate_requests_total{${OF_MODEL},code!~"5..",outcome="broken"}[$__rate_interval])) or vector(0))`;
const ALL = `sum(rate(headgate_requests_total{${OF_MODEL}}[$__rate_interval]))`;
const burn = (sli: string, budget: number, window: string) => query(window, `headgate:${sli}:ratio_rate${window}{job=~"$job"} / ${budget}`);

export const GATEWAY_BOARD: Board = {
  uid: 'headgate-gateway',
  title: 'Headgate: gateway',
  description: 'What clients get: how many requests, how fast, what was refused, what was shared, and what of it is the gateway itself.',
  variables: [JOB, INSTANCE, MODEL],
  rows: [
    {
      title: 'At a glance',
      panels: [
        stat('Requests', 'reqps', 'Requests ended a second, refusals included.', [query('requests', ALL)]),
        stat(
          'Failed',
          'percentunit',
          'Share of requests that ended with a status from 500 on, or whose answer broke off. What the client did wrong is not among them.',
          [query('failed', `(${FAILED}) / ${ALL}`)],
          { limits: [0.005, 0.05] },
        ),
        stat(
          'Error budget, burn over 6 h',
          'short',
          'How many times faster than it may the error budget of 0.5 % in 30 days goes: 1 uses it up in 30 days, 6 in five.',
          [query('times', 'max(headgate:request_errors:ratio_rate6h{job=~"$job"}) / 0.005')],
          { limits: [1, 6] },
        ),
        stat(
          'First token, p95',
          's',
          'Streams only: 95 of 100 had their first byte within this time, waiting in the gateway included.',
          [
            query(
              'p95',
              `histogram_quantile(0.95, sum by (le) (rate(headgate_time_to_first_token_seconds_bucket{${OF_MODEL}}[$__rate_interval])))`,
            ),
          ],
          { limits: [2, 5] },
        ),
        stat('In flight', 'short', 'Requests accepted and not yet ended.', [
          query('requests', `sum(headgate_requests_in_flight{${OF_GATEWAY}})`),
        ]),
        stat(
          'Waiting',
          'short',
          'Requests that wait for a free place. The default bound (admission.max_queue) is 100 for a model.',
          [query('requests', `sum(headgate_queue_depth{${OF_GATEWAY}})`)],
          { limits: [20, 80] },
        ),
      ],
    },
    {
      title: 'Traffic',
      panels: [
        lines(
          'Requests by status',
          'reqps',
          'By the status the client was sent; 499 means that it left first.',
          [rateBy('code', 'headgate_requests_total', OF_MODEL)],
          { stacked: true },
        ),
        lines(
          'Requests by outcome',
          'reqps',
          'complete, refused, broken (an answer that had begun ended in an error), disconnected (the client left).',
          [rateBy('outcome', 'headgate_requests_total', OF_MODEL)],
          { stacked: true },
        ),
        lines(
          'Requests by model',
          'reqps',
          'unknown: refused before the model was known, or one that nobody serves.',
          [rateBy('model', 'headgate_requests_total', OF_MODEL)],
          { stacked: true },
        ),
        lines('Requests by route', 'reqps', 'By the path that was asked.', [rateBy('route', 'headgate_requests_total', OF_MODEL)], {
          stacked: true,
        }),
        lines('Tokens', 'short', 'Tokens a second, as the usage of the workers says.', [
          query('input', `sum(rate(headgate_input_tokens_total{${OF_MODEL}}[$__rate_interval]))`),
          query('of it cached', `sum(rate(headgate_cached_input_tokens_total{${OF_MODEL}}[$__rate_interval]))`),
          query('output', `sum(rate(headgate_output_tokens_total{${OF_MODEL}}[$__rate_interval]))`),
        ]),
        lines('Sizes of bodies, p95', 'bytes', 'Of requests, where it is known, and of answers.', [
          query(
            'request',
            `histogram_quantile(0.95, sum by (le) (rate(headgate_request_size_bytes_bucket{${OF_GATEWAY}}[$__rate_interval])))`,
          ),
          query(
            'answer',
            `histogram_quantile(0.95, sum by (le) (rate(headgate_response_size_bytes_bucket{${OF_GATEWAY}}[$__rate_interval])))`,
          ),
        ]),
      ],
    },
    {
      title: 'Objectives',
      panels: [
        lines(
          'Burn of the error budget',
          'short',
          'How many times faster than it may the budget of 0.5 % failed requests goes, over each window. A page is sent from 14.4 (1 h and 5 m) and 6 (6 h and 30 m) on.',
          ['5m', '30m', '1h', '6h', '1d', '3d'].map((window) => burn('request_errors', 0.005, window)),
          { limits: [6, 14.4] },
        ),
        lines(
          'Burn of the budget of late first tokens',
          'short',
          'The same for first tokens after 5 s, of which 5 % may be: batch_window.guardrail.p95_slo_ms as set by default.',
          ['5m', '30m', '1h', '6h', '1d', '3d'].map((window) => burn('late_first_tokens', 0.05, window)),
          { limits: [6, 14.4] },
        ),
        lines(
          'Time to first token within',
          'percentunit',
          'Share of streams whose first byte came within each time.',
          ['0.5', '5', '10'].map((le) =>
            query(
              `${le} s`,
              `sum(rate(headgate_time_to_first_token_seconds_bucket{${OF_MODEL},le=~"${le.replace('.', '\\\\.')}(\\\\.0)?"}[$__rate_interval])) / sum(rate(headgate_time_to_first_token_seconds_count{${OF_MODEL}}[$__rate_interval]))`,
            ),
          ),
          { max: 1 },
        ),
      ],
    },
    {
      title: 'Speed',
      panels: [
        lines(
          'Time to first token',
          's',
          'Streams only: from the end of the request head to the first byte from the worker, waiting in the gateway included. A dot is a trace.',
          quantiles('headgate_time_to_first_token_seconds', OF_MODEL, true),
        ),
        heat('Time to first token, spread', 's', 'How many streams fell into each bucket. A dot is a trace.', [
          {
            ...query('{{le}}', `sum by (le) (increase(headgate_time_to_first_token_seconds_bucket{${OF_MODEL}}[$__rate_interval]))`),
            exemplars: true,
          },
        ]),
        lines(
          'Request duration',
          's',
          'From the end of the request head to the end of the answer, refusals included. A dot is a trace.',
          quantiles('headgate_request_duration_seconds', OF_MODEL, true),
        ),
        lines(
          'Time per output token',
          's',
          'Streams only: what a reader waits for each further token.',
          quantiles('headgate_time_per_output_token_seconds', OF_MODEL),
        ),
        lines(
          'Output tokens a second, of one request',
          'short',
          'The slowest twentieth has less than p5. Complete requests only.',
          [0.05, 0.5, 0.95].map((q) =>
            query(
              `p${q * 100}`,
              `histogram_quantile(${q}, sum by (le) (rate(headgate_output_tokens_per_second_bucket{${OF_MODEL}}[$__rate_interval])))`,
            ),
          ),
        ),
        lines(
          'The gateway itself',
          's',
          'Time in the gateway, waiting excluded: what a request costs for going through it.',
          quantiles('headgate_overhead_seconds', OF_GATEWAY),
        ),
      ],
    },
    {
      title: 'Waiting and refusals',
      panels: [
        lines(
          'Waiting for a place',
          'short',
          'By class. Batch lines wait behind interactive calls.',
          [query('{{class}}', `sum by (class) (headgate_queue_depth{${OF_GATEWAY}})`)],
          { stacked: true },
        ),
        lines(
          'Time in the queue',
          's',
          'Of requests that were let in; 0 where there was a place at once.',
          quantiles('headgate_queue_wait_seconds', OF_GATEWAY),
        ),
        lines('Admission', 'reqps', 'admitted immediate, admitted queued, or rejected with the reason.', [
          query('{{decision}} {{reason}}', `sum by (decision, reason) (rate(headgate_admission_total{${OF_GATEWAY}}[$__rate_interval]))`),
        ]),
        lines(
          'Turned away',
          'reqps',
          'By the reason that the client was told (x-headgate-reason).',
          [rateBy('reason', 'headgate_queue_rejections_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines('Requests that left the window together', 'short', 'Where batch_window is on.', [
          query(
            'mean',
            `sum(rate(headgate_batch_size_sum{${OF_GATEWAY}}[$__rate_interval])) / sum(rate(headgate_batch_size_count{${OF_GATEWAY}}[$__rate_interval]))`,
          ),
          query('p95', `histogram_quantile(0.95, sum by (le) (rate(headgate_batch_size_bucket{${OF_GATEWAY}}[$__rate_interval])))`),
        ]),
        lines('Held in the window', 's', 'What the window costs each request, beside the longest that it may (batch_window.window_ms).', [
          query(
            'p95',
            `histogram_quantile(0.95, sum by (le) (rate(headgate_batch_window_wait_seconds_bucket{${OF_GATEWAY}}[$__rate_interval])))`,
          ),
          query('set for {{model}}', `max by (model) (headgate_batch_window_ms{${OF_MODEL}}) / 1000`),
        ]),
      ],
    },
    {
      title: 'Went wrong',
      panels: [
        lines(
          'Answers that broke off',
          'reqps',
          'Streams that had begun and ended in an error.',
          [rateBy('reason', 'headgate_streams_broken_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines(
          'Clients that left',
          'reqps',
          'By where their request was: many in queue or upstream means that they do not wait long enough, or are let wait too long.',
          [rateBy('phase', 'headgate_client_disconnects_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines(
          'Attempts made again',
          'reqps',
          'By what ended the attempt before.',
          [rateBy('reason', 'headgate_retries_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines('Answered by another model', 'reqps', 'Model asked for, the one that answered, and why.', [
          rateByAll(['model', 'fallback', 'reason'], 'headgate_fallbacks_total', OF_GATEWAY),
        ]),
        lines(
          'Streams whose worker was lost',
          'reqps',
          'resumed: another worker went on with it, and its client noticed nothing. Else why not. Empty where models have no resume.',
          [rateBy('outcome', 'headgate_resumes_total', OF_GATEWAY)],
          { stacked: true },
        ),
      ],
    },
    {
      title: 'Asked before',
      panels: [
        lines(
          'Where answers came from',
          'reqps',
          'hit: kept from before; miss: made; joined: made for another that asked the same; bypass: not to be kept.',
          [rateBy('result', 'headgate_cache_requests_total', OF_GATEWAY)],
          { stacked: true },
        ),
        lines(
          'Not asked of a worker',
          'reqps',
          'Requests answered with what another, or an earlier one of the same idempotency key, was answered.',
          [
            query('joined', `sum(rate(headgate_joined_requests_total{${OF_GATEWAY}}[$__rate_interval]))`),
            query('replayed', `sum(rate(headgate_idempotent_replays_total{${OF_GATEWAY}}[$__rate_interval]))`),
            query('from the cache', `sum(rate(headgate_cache_requests_total{${OF_GATEWAY},result="hit"}[$__rate_interval])) or vector(0)`),
          ],
        ),
        lines(
          'Hit ratio',
          'percentunit',
          'Of requests that may be kept.',
          [
            query(
              'hits',
              `sum(rate(headgate_cache_requests_total{${OF_GATEWAY},result="hit"}[$__rate_interval])) / sum(rate(headgate_cache_requests_total{${OF_GATEWAY},result=~"hit|miss|joined"}[$__rate_interval]))`,
            ),
          ],
          { max: 1 },
        ),
        lines(
          'Answers kept',
          'short',
          'How many are in memory (cache.max_entries). With state.url they are in the store, and not counted here.',
          [query('answers', `sum(headgate_cache_entries{${OF_GATEWAY}})`)],
        ),
        lines('Memory of kept answers', 'bytes', 'As cache.max_bytes bounds it.', [
          query('bytes', `sum(headgate_cache_bytes{${OF_GATEWAY}})`),
        ]),
        lines(
          'Not kept any more',
          'reqps',
          'full: others were wanted later; expired; stale: its engine has ended; replaced: made anew.',
          [rateBy('reason', 'headgate_cache_evictions_total', OF_GATEWAY)],
          { stacked: true },
        ),
      ],
    },
  ],
};
