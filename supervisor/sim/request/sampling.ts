import { Choice } from '../engine/choice.ts';
import type { Script } from '../text/prose.ts';
import { badRequest, badValue } from './api-error.ts';
import type { JsonObject } from './fields.ts';
import { pythonFloat } from '../python/values.ts';
import type { Sim } from '../engine/sim.ts';

/** The sampling parameters that the simulation gives effect to. */
export interface Sampling {
  readonly n: number;
  readonly maxTokens: number | null;
  /** What the client calls it. */
  readonly limitField: string;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stop: readonly string[];
  readonly stopTokenIds: readonly number[];
  readonly includeStop: boolean;
  readonly seed: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
  readonly streamInterval: number;
  readonly returnTokenIds: boolean;
  /** Alternatives to show with each token of the prompt, -1 for all; null for none. */
  readonly promptLogprobs: number | null;
}

/** Below this temperature the likeliest token is always taken, and all choices would be the same. */
const GREEDY = 1e-5;
/** vLLM's own limit; without one, a single request would hold the engine for as long as it likes. */
const MOST_CHOICES = 16_384;

/** What the APIs call the most tokens that an answer may have; the first that is there counts. */
const LIMIT_FIELDS = ['max_output_tokens', 'max_completion_tokens', 'max_tokens'];

function numberIn(body: JsonObject, field: string): number | null {
  const value = body[field];
  return typeof value === 'number' ? value : null;
}

function stops(body: JsonObject): string[] {
  const given = body['stop'];
  const list = typeof given === 'string' ? [given] : Array.isArray(given) ? given.filter((stop) => typeof stop === 'string') : [];
  if (list.includes('')) throw badRequest('stop cannot contain an empty string.');
  return list;
}

function checkRanges(body: JsonObject): void {
  const check = (field: string, fine: (value: number) => boolean, words: (value: string) => string, whole = false, named = true): void => {
    const value = numberIn(body, field);
    if (value === null || fine(value)) return;
    const shown = whole ? String(value) : pythonFloat(value);
    throw named ? badValue(words(shown), field, shown) : badRequest(words(shown));
  };
  const n = numberIn(body, 'n') ?? 1;
  if (n < 1) throw badRequest(`n must be at least 1, got ${n}.`);
  if (n > MOST_CHOICES) {
    throw badRequest(
      `n must be at most ${MOST_CHOICES}, got ${n}. To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable.`,
    );
  }
  check(
    'presence_penalty',
    (value) => Math.abs(value) <= 2,
    (shown) => `presence_penalty must be in [-2, 2], got ${shown}.`,
    false,
    false,
  );
  check(
    'frequency_penalty',
    (value) => Math.abs(value) <= 2,
    (shown) => `frequency_penalty must be in [-2, 2], got ${shown}.`,
    false,
    false,
  );
  check(
    'repetition_penalty',
    (value) => value > 0,
    (shown) => `repetition_penalty must be greater than zero, got ${shown}.`,
    false,
    false,
  );
  const temperature = numberIn(body, 'temperature');
  if (temperature !== null && !(temperature >= 0 && temperature <= 2)) {
    const shown = pythonFloat(temperature);
    const rule = !Number.isFinite(temperature) ? 'be a finite number' : temperature < 0 ? 'be non-negative' : 'be in [0, 2]';
    throw badValue(`temperature must ${rule}, got ${shown}.`, 'temperature', shown);
  }
  if (n > 1 && temperature !== null && temperature < GREEDY) throw badRequest(`n must be 1 when using greedy sampling, got ${n}.`);
  check(
    'top_p',
    (value) => value > 0 && value <= 1,
    (shown) => `top_p must be in (0, 1], got ${shown}.`,
  );
  check(
    'top_k',
    (value) => value >= -1,
    (shown) => `top_k must be 0 (disable), or at least 1, got ${shown}.`,
    true,
    false,
  );
  check(
    'min_p',
    (value) => value >= 0 && value <= 1,
    (shown) => `min_p must be in [0, 1], got ${shown}.`,
    false,
    false,
  );
  check(
    'min_tokens',
    (value) => value >= 0,
    (shown) => `min_tokens must be greater than or equal to 0, got ${shown}.`,
    true,
    false,
  );
}

function checkMinTokens(body: JsonObject, most: number | null): void {
  const least = numberIn(body, 'min_tokens');
  if (least !== null && most !== null && least > most) {
    throw badRequest(`min_tokens must be less than or equal to max_tokens=${most}, got ${least}.`);
  }
}

/** Reads and checks the sampling parameters. `defaultMaxTokens` null means: whatever the context still holds. */
export function readSampling(sim: Sim, body: JsonObject, options: { defaultMaxTokens?: number | null } = {}): Sampling {
  const stream = body['stream'] === true;
  const streamOptions = body['stream_options'] as JsonObject | null | undefined;
  if (streamOptions !== null && streamOptions !== undefined && !stream) {
    throw badValue('Stream options can only be defined when `stream=True`.', 'stream_options');
  }
  checkRanges(body);
  const limitField = LIMIT_FIELDS.find((name) => numberIn(body, name) !== null) ?? 'max_tokens';
  const limit = numberIn(body, limitField);
  if (limit !== null && limit < 1) throw badValue(`max_tokens must be at least 1, got ${limit}.`, 'max_tokens', String(limit));
  checkMinTokens(body, limit);
  const includeUsage = sim.settings.forceIncludeUsage || streamOptions?.['include_usage'] === true;
  return {
    n: numberIn(body, 'n') ?? 1,
    maxTokens: limit ?? options.defaultMaxTokens ?? null,
    limitField,
    minTokens: numberIn(body, 'min_tokens') ?? 0,
    ignoreEos: body['ignore_eos'] === true,
    stop: stops(body),
    stopTokenIds: Array.isArray(body['stop_token_ids']) ? body['stop_token_ids'].filter((id) => typeof id === 'number') : [],
    includeStop: body['include_stop_str_in_output'] === true,
    seed: numberIn(body, 'seed') ?? sim.settings.seed,
    stream,
    includeUsage,
    continuousUsage: includeUsage && (sim.settings.forceIncludeUsage || streamOptions?.['continuous_usage_stats'] === true),
    streamInterval: Math.max(1, numberIn(body, 'stream_interval') ?? sim.settings.streamInterval),
    returnTokenIds: body['return_token_ids'] === true,
    promptLogprobs: promptLogprobs(body, stream),
  };
}

function promptLogprobs(body: JsonObject, stream: boolean): number | null {
  const asked = numberIn(body, 'prompt_logprobs');
  if (asked === null) return null;
  if (stream && (asked > 0 || asked === -1)) throw badValue('`prompt_logprobs` are not available when `stream=True`.', 'prompt_logprobs');
  if (asked < -1) throw badValue('`prompt_logprobs` must be a positive value or -1.', 'prompt_logprobs', String(asked));
  return asked;
}

/** Throws unless a prompt and what is wanted after it fit the context. Gives the number of tokens to generate at most. */
export function fitContext(sim: Sim, promptLength: number, maxTokens: number | null, field = 'max_tokens'): number {
  const { maxModelLen } = sim;
  if (maxTokens !== null && maxTokens > maxModelLen) {
    const message = `${field}=${maxTokens} cannot be greater than max_model_len=${maxModelLen}. Please request fewer output tokens.`;
    throw badValue(message, field, String(maxTokens));
  }
  if (promptLength === 0) throw badRequest('The decoder prompt cannot be empty');
  if (promptLength >= maxModelLen) {
    // vLLM stops counting one token past the limit.
    const least = Math.min(promptLength, maxModelLen) + 1;
    const message =
      `This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains at least ${least} input tokens, ` +
      'which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.';
    throw badValue(message, 'input_tokens', String(least));
  }
  // What the context cannot hold is cut off, not refused.
  return Math.min(maxTokens ?? Infinity, maxModelLen - promptLength);
}

/** One choice of a request, ready for the engine. */
export function newChoice(sampling: Sampling, index: number, prompt: readonly number[], maxTokens: number, script: Script): Choice {
  const { minTokens, ignoreEos, stop, includeStop, stopTokenIds } = sampling;
  return new Choice({ index, prompt, script, maxTokens, minTokens, ignoreEos, stop, includeStop, stopTokenIds }, performance.now());
}

/** How many tokens prose must have at least, so that it does not end before the request allows it. */
export function leastTokens(sampling: Sampling): number {
  return sampling.ignoreEos ? Infinity : sampling.minTokens;
}
