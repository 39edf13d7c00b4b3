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

function numberIn(body: JsonObject, field: string): number | null {
  const value = body[field];
  return typeof value === 'number' ? value : null;
}

function stops(body: JsonObject, most: number): string[] {
  const given = body['stop'];
  const list = typeof given === 'string' ? [given] : Array.isArray(given) ? given.filter((stop) => typeof stop === 'string') : [];
  if (list.length > most) throw badValue(`stop cannot contain more than ${most} strings, got ${list.length}.`, 'stop', String(list.length));
  if (list.includes('')) throw badValue('stop cannot contain an empty string.', 'stop');
  return list;
}

function checkRanges(body: JsonObject): void {
  const check = (field: string, fine: (value: number) => boolean, words: (value: string) => string, whole = false): void => {
    const value = numberIn(body, field);
    if (value === null || fine(value)) return;
    const shown = whole ? String(value) : pythonFloat(value);
    throw badValue(words(shown), field, shown);
  };
  check(
    'n',
    (value) => value >= 1,
    (shown) => `n must be at least 1, got ${shown}.`,
    true,
  );
  check(
    'presence_penalty',
    (value) => Math.abs(value) <= 2,
    (shown) => `presence_penalty must be in [-2, 2], got ${shown}.`,
  );
  check(
    'frequency_penalty',
    (value) => Math.abs(value) <= 2,
    (shown) => `frequency_penalty must be in [-2, 2], got ${shown}.`,
  );
  check(
    'repetition_penalty',
    (value) => value > 0,
    (shown) => `repetition_penalty must be greater than zero, got ${shown}.`,
  );
  check(
    'temperature',
    (value) => value >= 0,
    (shown) => `temperature must be non-negative, got ${shown}.`,
  );
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
  );
  check(
    'min_p',
    (value) => value >= 0 && value <= 1,
    (shown) => `min_p must be in [0, 1], got ${shown}.`,
  );
  check(
    'max_tokens',
    (value) => value >= 1,
    (shown) => `max_tokens must be at least 1, got ${shown}.`,
    true,
  );
  check(
    'min_tokens',
    (value) => value >= 0,
    (shown) => `min_tokens must be greater than or equal to 0, got ${shown}.`,
    true,
  );
}

/** Reads and checks the sampling parameters. `defaultMaxTokens` null means: whatever the context still holds. */
export function readSampling(
  sim: Sim,
  body: JsonObject,
  options: { maxTokensField?: string; defaultMaxTokens?: number | null } = {},
): Sampling {
  const stream = body['stream'] === true;
  const streamOptions = body['stream_options'] as JsonObject | null | undefined;
  if (streamOptions !== null && streamOptions !== undefined && !stream) {
    throw badValue('Stream options can only be defined when `stream=True`.', 'stream_options');
  }
  checkRanges(body);
  const includeUsage = sim.settings.forceIncludeUsage || streamOptions?.['include_usage'] === true;
  const field = options.maxTokensField ?? 'max_tokens';
  return {
    n: numberIn(body, 'n') ?? 1,
    maxTokens: numberIn(body, field) ?? numberIn(body, 'max_tokens') ?? options.defaultMaxTokens ?? null,
    minTokens: numberIn(body, 'min_tokens') ?? 0,
    ignoreEos: body['ignore_eos'] === true,
    stop: stops(body, sim.settings.maxStopStrings),
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
export function fitContext(sim: Sim, promptLength: number, maxTokens: number | null): number {
  const { maxModelLen } = sim;
  if (maxTokens !== null && maxTokens > maxModelLen) {
    const message = `max_tokens=${maxTokens} cannot be greater than max_model_len=max_total_tokens=${maxModelLen}. Please request fewer output tokens.`;
    throw badValue(message, 'max_tokens', String(maxTokens));
  }
  if (promptLength === 0) throw badRequest('The decoder prompt cannot be empty');
  const most = maxModelLen - (maxTokens ?? 0);
  if (promptLength > most || promptLength >= maxModelLen) {
    // vLLM stops counting one token past the limit.
    const least = Math.min(promptLength, most) + 1;
    const message =
      `This model's maximum context length is ${maxModelLen} tokens. However, you requested ${maxTokens ?? 0} output tokens and your prompt contains ` +
      `at least ${least} input tokens, for a total of at least ${least + (maxTokens ?? 0)} tokens. ` +
      'Please reduce the length of the input prompt or the number of requested output tokens.';
    throw badValue(message, 'input_tokens', String(least));
  }
  return maxTokens ?? maxModelLen - promptLength;
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
