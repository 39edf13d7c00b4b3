import type { Attempt } from '../../core/attempt.ts';
import { answeringModel, type Call } from '../../core/call.ts';
import { nameOf } from '../../core/principal.ts';
import type { Outcome } from '../../core/reply.ts';
import type { TraceMark } from '../metrics/distribution.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { EventSizes } from './event-sizes.ts';
import type { PromptSizes } from './prompt-sizes.ts';
import { firstByteAtOf, firstTokenMs, methodOf, outputTokensOf } from './request-line.ts';

const MS_PER_SECOND = 1000;

/** What calls that were counted tell of those that were not. */
export interface Sizes {
  readonly prompts: PromptSizes;
  readonly events: EventSizes;
}

/** Tokens of a request; null: nobody said, and nothing tells. */
export interface CountedTokens {
  readonly input: number | null;
  readonly output: number | null;
  readonly cached: number | null;
}

const NO_TOKENS: CountedTokens = { input: null, output: null, cached: null };

/**
 * Books a request that has ended: every counter and histogram that hangs on its end. `endedAt` is monotonic ms; `trace` is one that
 * somebody keeps, or null: a link to any other would lead nowhere.
 * @returns the tokens that it was booked with
 */
export function accountRequest(
  metrics: Metrics,
  sizes: Sizes,
  call: Call,
  outcome: Outcome,
  status: number,
  endedAt: number,
  trace: TraceMark | null,
): CountedTokens {
  const { counters, histograms } = metrics;
  const { journey } = call;
  const model = metrics.modelLabel(answeringModel(call));
  const code = String(status);
  counters.requests_total.add(1, call.route.path, methodOf(call), code, model, outcome.kind);
  histograms.request_duration_seconds.observeTraced(trace, seconds(endedAt - call.arrivedAt), call.route.path, model);
  const key = nameOf(call.principal);
  if (key !== null) counters.key_requests_total.add(1, key, code);
  if (journey.cache !== null) counters.cache_requests_total.add(1, journey.cache);
  if (journey.cache === 'joined') counters.joined_requests_total.add(1);
  if (journey.isReplay) counters.idempotent_replays_total.add(1);
  histograms.request_size_bytes.observe(call.body.bytes.length);
  histograms.response_size_bytes.observe(journey.bytesOut);
  // A line that is taken back has no client that has left.
  if (outcome.kind === 'disconnected' && !call.isLine) counters.client_disconnects_total.add(1, outcome.phase);
  if (outcome.kind === 'broken') counters.streams_broken_total.add(1, outcome.error.reason);
  const counted = accountTokens(metrics, sizes, call, model, key);
  accountSpeed(metrics, call, outcome, model, trace);
  if (outcome.kind === 'complete' && call.attempts.length === 1) accountOverhead(metrics, call, endedAt);
  return counted;
}

function accountTokens(metrics: Metrics, { prompts, events }: Sizes, call: Call, model: string, key: string | null): CountedTokens {
  const { counters, ledger } = metrics;
  const last = call.attempts.at(-1);
  // What a worker has kept was counted when it was made.
  if (!last || call.route.stored) return NO_TOKENS;
  const { cachedTokens } = last;
  const inputTokens = inputTokensOf(prompts, call, last);
  const outputTokens = outputOf(events, call, last);
  if (inputTokens !== null) {
    counters.input_tokens_total.add(inputTokens, model);
    if (key !== null) counters.key_tokens_total.add(inputTokens, key, model, 'input');
    ledger.inputTokens += inputTokens;
  }
  if (outputTokens !== null) {
    counters.output_tokens_total.add(outputTokens, model);
    if (key !== null) counters.key_tokens_total.add(outputTokens, key, model, 'output');
    ledger.outputTokens += outputTokens;
  }
  if (cachedTokens !== null) {
    counters.cached_input_tokens_total.add(cachedTokens, model);
    if (key !== null) counters.key_tokens_total.add(cachedTokens, key, model, 'cached');
    ledger.cachedTokens += cachedTokens;
  }
  return { input: inputTokens, output: outputTokens, cached: cachedTokens };
}

/** As the worker told; of a stream that was left or broke before that, what its events carry as a rule. */
function outputOf(events: EventSizes, call: Call, { outputTokens, chunks }: Attempt): number | null {
  if (outputTokens === null) return chunks > 0 ? events.guess(call, chunks) : null;
  if (call.peek.stream && chunks > 0) events.learn(call, chunks, outputTokens);
  return outputTokens;
}

/** As the worker told; of a stream that was left or broke before that, about as many as its prompt's length says. */
function inputTokensOf(prompts: PromptSizes, call: Call, { inputTokens, chunks }: Attempt): number | null {
  const { promptChars } = call.peek;
  const { path } = call.route;
  if (inputTokens === null) return chunks > 0 ? prompts.guess(answeringModel(call), path, promptChars) : null;
  prompts.learn(answeringModel(call), path, promptChars, inputTokens);
  return inputTokens;
}

function accountSpeed(metrics: Metrics, call: Call, outcome: Outcome, model: string, trace: TraceMark | null): void {
  const { histograms } = metrics;
  const last = call.attempts.at(-1);
  if (!last) return;
  const { lastByteAt, sentAt } = last;
  const firstByteAt = firstByteAtOf(call);
  const tokens = outputTokensOf(call);
  const firstToken = firstTokenMs(call, outcome);
  if (firstToken !== null && firstByteAt !== null) {
    histograms.time_to_first_token_seconds.observeTraced(trace, seconds(firstToken), model);
    // The choices of a request are generated side by side, so one choice's share of the tokens took the whole time.
    const later = tokens === null ? 0 : tokens / Math.max(1, call.peek.choices) - 1;
    if (lastByteAt !== null && later >= 1) {
      histograms.time_per_output_token_seconds.observe(seconds(lastByteAt - firstByteAt) / later, model);
    }
  }
  if (outcome.kind !== 'complete' || tokens === null || tokens === 0 || sentAt === null || lastByteAt === null) return;
  // Of an answer by several workers no one's speed is known.
  if (call.journey.resume !== null) return;
  if (lastByteAt > sentAt) histograms.output_tokens_per_second.observe(tokens / seconds(lastByteAt - sentAt), model);
}

/** After a retry the time before the last attempt is partly the first worker's, so only first attempts tell our own time. */
function accountOverhead(metrics: Metrics, call: Call, endedAt: number): void {
  const { queueMs, windowMs } = call.journey;
  const { sentAt, lastByteAt } = call.attempts[0]!;
  if (sentAt === null || lastByteAt === null) return;
  const before = Math.max(0, sentAt - call.arrivedAt - queueMs - windowMs);
  metrics.histograms.overhead_seconds.observe(seconds(before + Math.max(0, endedAt - lastByteAt)));
}

function seconds(ms: number): number {
  return Math.max(0, ms) / MS_PER_SECOND;
}
