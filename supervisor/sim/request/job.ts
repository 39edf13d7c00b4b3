import type { Choice } from '../engine/choice.ts';
import type { Job, RequestFailure } from '../engine/job.ts';
import type { RequestFault } from '../settings/faults.ts';
import { promptLogprobsGib } from '../card/memory.ts';
import { saltOf } from '../engine/sequence.ts';
import { ApiError, ENGINE_DEAD, INTERNAL_ERROR } from './api-error.ts';
import type { Exchange } from './exchange.ts';

interface JobListener {
  /** Some choice has something new, or has ended. */
  onOutput(): void;
  onFailure(failure: RequestFailure): void;
}

/** Gives a request to the engine. When the client goes away the engine forgets it at once. */
export function submit(exchange: Exchange, choices: readonly Choice[], listener: JobListener): void {
  const { engine, settings } = exchange.sim;
  const { spec, memory } = settings;
  const { fault } = exchange;
  const longestPrompt = Math.max(0, ...choices.map((choice) => choice.sequence.promptLength));
  const job: Job = {
    choices,
    unplannedGib: exchange.readsPromptLogprobs ? promptLogprobsGib(spec, memory, longestPrompt) : 0,
    onOutput: fault === null ? () => listener.onOutput() : () => withFault(exchange, job, fault, listener),
    onFailure: (failure) => listener.onFailure(failure),
  };
  for (const { sequence } of choices) {
    sequence.priority = exchange.priority;
    sequence.skipsCache = exchange.readsPromptLogprobs;
    if (exchange.cacheSalt !== null) sequence.salt = saltOf(exchange.cacheSalt);
  }
  exchange.response.once('close', () => engine.drop(job));
  engine.submit(job);
}

function withFault(exchange: Exchange, job: Job, fault: RequestFault, listener: JobListener): void {
  const { engine } = exchange.sim;
  const most = Math.max(...job.choices.map((choice) => choice.generated));
  const over = job.choices.every((choice) => choice.finishReason !== null);
  // A request that ends before that many tokens is struck at its end.
  const struck = over || most >= fault.afterTokens;
  if (!struck || exchange.response.destroyed) return listener.onOutput();
  switch (fault.kind) {
    case 'abort':
      // `abort` comes back here with the choices ended, and the last tokens go out together with the reason.
      if (over) return listener.onOutput();
      return engine.abort(job);
    case 'reset':
      if (!over) listener.onOutput();
      engine.drop(job);
      return exchange.cut();
    default:
      if (!over) listener.onOutput();
      if (!over) return engine.fail(job);
      return listener.onFailure('request-error');
  }
}

export function failureText(failure: RequestFailure): string {
  return failure === 'engine-dead' ? ENGINE_DEAD : INTERNAL_ERROR;
}

/** The error event of a stream that has begun, in the spacing of Python's `json.dumps`. */
export function errorEvent(failure: RequestFailure): string {
  return `data: {"error": {"message": ${JSON.stringify(failureText(failure))}, "type": "InternalServerError", "param": null, "code": 500}}\n\n`;
}

/** The answer to a request that failed before anything was sent. */
export function failureError(failure: RequestFailure): ApiError {
  return new ApiError(500, 'InternalServerError', failureText(failure));
}

/** Runs a request to its end and resolves when every choice has ended. Rejects with ApiError; never settles when the client has gone. */
export function runToEnd(exchange: Exchange, choices: readonly Choice[]): Promise<void> {
  return new Promise((resolve, reject) => {
    submit(exchange, choices, {
      onOutput: () => {
        if (choices.every((choice) => choice.finishReason !== null)) resolve();
      },
      onFailure: (failure) => {
        if (failure === 'engine-dead') exchange.sim.onDeathRaised();
        reject(failureError(failure));
      },
    });
  });
}

/** The usage numbers of some choices that share `promptTokens` tokens of prompt. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** null where no reasoning parser is set. */
  readonly reasoningTokens: number | null;
  readonly blockSize: number;
}

/** Adds up what choices used; the prompt of `n` choices counts once. */
export function usageOf(exchange: Exchange, choices: readonly Choice[], n = 1): Usage {
  let promptTokens = 0;
  let completionTokens = 0;
  let cachedTokens = 0;
  let reasoningTokens = 0;
  choices.forEach((choice, at) => {
    if (at % n === 0) {
      promptTokens += choice.sequence.promptLength;
      cachedTokens += choice.sequence.cached;
    }
    completionTokens += choice.generated;
    reasoningTokens += choice.reasoningTokens;
  });
  return {
    promptTokens,
    completionTokens,
    cachedTokens,
    blockSize: exchange.sim.settings.memory.blockSize,
    reasoningTokens: exchange.sim.settings.reasoningParser === '' ? null : reasoningTokens,
  };
}

/** Whole blocks that this prompt was the first to fill. */
export function createdTokens({ promptTokens, cachedTokens, blockSize }: Usage): number {
  return Math.max(0, Math.floor(promptTokens / blockSize) * blockSize - cachedTokens);
}

/** `usage` of a whole answer, with the nulls that vLLM writes. */
export function fullUsage(exchange: Exchange, usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    completion_tokens: usage.completionTokens,
    prompt_tokens_details: exchange.sim.settings.promptTokensDetails
      ? { cached_tokens: usage.cachedTokens, created_cache_tokens: createdTokens(usage), multimodal_tokens: null }
      : null,
    completion_tokens_details: usage.reasoningTokens === null ? null : { reasoning_tokens: usage.reasoningTokens },
  };
}

/** `usage` of a stream's last chunk, where what is null is left out. */
export function finalUsage(exchange: Exchange, usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    completion_tokens: usage.completionTokens,
    ...(exchange.sim.settings.promptTokensDetails
      ? { prompt_tokens_details: { cached_tokens: usage.cachedTokens, created_cache_tokens: createdTokens(usage) } }
      : {}),
    ...(usage.reasoningTokens === null ? {} : { completion_tokens_details: { reasoning_tokens: usage.reasoningTokens } }),
  };
}

/** `usage` of every chunk of a stream with `continuous_usage_stats`; text completions have no details. */
export function runningUsage(promptTokens: number, completionTokens: number, details = true): string {
  return `,"usage":{"prompt_tokens":${promptTokens},"total_tokens":${promptTokens + completionTokens},"completion_tokens":${completionTokens}${details ? ',"completion_tokens_details":null' : ''}}`;
}
