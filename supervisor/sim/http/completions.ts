import type { Choice } from '../engine/choice.ts';
import type { RequestFailure } from '../engine/job.ts';
import { instanceOf } from '../text/schema-instance.ts';
import { chance, Recital, scriptTokens } from '../text/prose.ts';
import type { Script, ScriptToken } from '../text/prose.ts';
import { writeScript } from '../text/scripts.ts';
import { decode, encode } from '../text/tokenizer.ts';
import { badRequest } from '../request/api-error.ts';
import type { EventStream } from '../request/event-stream.ts';
import { nowSeconds } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject, SAMPLING_KINDS } from '../request/fields.ts';
import type { BodyShape, JsonObject } from '../request/fields.ts';
import { errorEvent, finalUsage, fullUsage, runningUsage, runToEnd, submit, usageOf } from '../request/job.ts';
import { asSaid, completionLogprobs, promptLogprobs } from '../request/logprobs.ts';
import { checkModel, modelName } from '../request/models.ts';
import { fitContext, leastTokens, newChoice, readSampling } from '../request/sampling.ts';
import type { Sampling } from '../request/sampling.ts';

const SHAPE: BodyShape = {
  required: ['prompt'],
  kinds: { ...SAMPLING_KINDS, logprobs: 'int', echo: 'bool', suffix: 'str', response_format: 'dict', structured_outputs: 'dict' },
};

const DEFAULT_MAX_TOKENS = 16;

interface CompletionRequest {
  readonly id: string;
  readonly created: number;
  readonly sampling: Sampling;
  readonly choices: readonly Choice[];
  /** The prompts' texts where they are to be repeated, else empty strings; by choice. */
  readonly echoed: readonly string[];
  readonly topLogprobs: number | null;
  /** The same for the prompt's own tokens. */
  readonly promptTop: number | null;
}

function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

/** The prompts of a body: text, texts, ids or lists of ids. Throws ApiError. */
export function promptsOf(value: unknown, field: string): number[][] {
  if (typeof value === 'string') return [encode(value)];
  if (isIds(value)) return [value];
  if (Array.isArray(value) && value.length > 0) {
    const lists = value as unknown[];
    if (lists.every((item) => typeof item === 'string')) return lists.map((item) => encode(item));
    if (lists.every(isIds)) return lists;
  }
  throw badRequest(`Invalid ${field}: it must be a string, a list of strings, a list of token ids or a list of such lists.`, field);
}

function scriptFor(body: JsonObject, sampling: Sampling, prompt: readonly number[], index: number): Script {
  const structured = body['structured_outputs'];
  const format = body['response_format'];
  const schema = isObject(structured)
    ? structured['json']
    : isObject(format) && isObject(format['json_schema'])
      ? format['json_schema']['schema']
      : undefined;
  if (schema !== undefined && schema !== null)
    return new Recital(scriptTokens(JSON.stringify(instanceOf(schema, chance(sampling.seed))), 'content'));
  return writeScript({ prompt, seed: sampling.seed, index, wanted: { kind: 'prose' }, reasoning: false, minTokens: leastTokens(sampling) });
}

function prepare(exchange: Exchange, body: JsonObject): CompletionRequest {
  const { sim } = exchange;
  const sampling = readSampling(sim, body, { defaultMaxTokens: DEFAULT_MAX_TOKENS });
  checkModel(exchange, body);
  if (typeof body['suffix'] === 'string' && body['suffix'] !== '') throw badRequest('suffix is not currently supported', 'suffix');
  const prompts = promptsOf(body['prompt'], 'prompt');
  if (prompts.length > sim.settings.maxCompletionPrompts) {
    throw badRequest(`Too many prompts: ${prompts.length} exceeds the limit of ${sim.settings.maxCompletionPrompts}.`, 'prompt');
  }
  const echoed: string[] = [];
  const choices = prompts.flatMap((prompt, at) => {
    // A text completion without a limit of its own takes 16 tokens, or what the context still holds.
    const asked =
      body['max_tokens'] === undefined || body['max_tokens'] === null
        ? Math.min(DEFAULT_MAX_TOKENS, sim.maxModelLen - prompt.length)
        : sampling.maxTokens;
    const maxTokens = fitContext(sim, prompt.length, asked === null ? null : Math.max(1, asked));
    return Array.from({ length: sampling.n }, (_, index) => {
      echoed.push(body['echo'] === true ? decode(prompt) : '');
      return newChoice(sampling, at * sampling.n + index, prompt, maxTokens, scriptFor(body, sampling, prompt, index));
    });
  });
  const topLogprobs = typeof body['logprobs'] === 'number' ? body['logprobs'] : null;
  if (topLogprobs !== null && topLogprobs > sim.settings.maxLogprobs) {
    throw badRequest(
      `Requested sample logprobs of ${topLogprobs}, which is greater than max allowed: ${sim.settings.maxLogprobs}`,
      'logprobs',
    );
  }
  // A prompt that is repeated is repeated with its logprobs.
  const promptTop = sampling.promptLogprobs ?? (body['echo'] === true ? topLogprobs : null);
  exchange.readsPromptLogprobs = promptTop !== null;
  return { id: `cmpl-${exchange.requestId(body)}`, created: nowSeconds(), sampling, choices, echoed, topLogprobs, promptTop };
}

/** `logprobs` of some tokens, the first of which is number `from` of the choice and stands at `offset`. */
function logprobsOf(
  request: CompletionRequest,
  choice: Choice,
  tokens: readonly ScriptToken[],
  from: number,
  at: number,
  offset: number,
): object | null {
  if (request.topLogprobs === null) return null;
  const { prompt } = choice.settings;
  if (request.echoed[at] === '' || from > 0) return completionLogprobs(tokens, from, request.topLogprobs, offset);
  return completionLogprobs([...asSaid(prompt), ...tokens], 0, request.topLogprobs, 0, true);
}

function textOf(choice: Choice): string {
  return choice.pending.map((segment) => segment.text).join('');
}

function wholeChoice(request: CompletionRequest, choice: Choice, at: number): object {
  const { sampling, promptTop } = request;
  const echo = request.echoed[at]!;
  return {
    index: choice.settings.index,
    text: echo + textOf(choice),
    logprobs: logprobsOf(request, choice, choice.pendingTokens, 0, at, 0),
    finish_reason: choice.finishReason,
    stop_reason: choice.stopReason,
    token_ids: sampling.returnTokenIds ? choice.pendingTokens.map((token) => token.id) : null,
    prompt_logprobs: promptTop === null ? null : promptLogprobs(choice.settings.prompt, promptTop),
    prompt_token_ids: sampling.returnTokenIds ? choice.settings.prompt : null,
    routed_experts: null,
  };
}

/** `POST /v1/completions` */
export async function completions(exchange: Exchange): Promise<void> {
  const request = prepare(exchange, await exchange.readJson(SHAPE));
  if (request.sampling.stream) return new CompletionStream(exchange, request).start();
  await runToEnd(exchange, request.choices);
  exchange.json(200, {
    id: request.id,
    object: 'text_completion',
    created: request.created,
    model: modelName(exchange),
    choices: request.choices.map((choice, at) => wholeChoice(request, choice, at)),
    service_tier: null,
    system_fingerprint: exchange.sim.settings.fingerprint,
    usage: fullUsage(exchange, { ...usageOf(exchange, request.choices, request.sampling.n), reasoningTokens: null }),
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  });
}

/** Writes text completions as they come, the choices in turn. */
class CompletionStream {
  readonly #exchange: Exchange;
  readonly #request: CompletionRequest;
  readonly #stream: EventStream;
  readonly #head: string;
  readonly #fingerprint: string;
  readonly #told: { tokens: number; text: number; ended: boolean }[];
  #over = false;

  constructor(exchange: Exchange, request: CompletionRequest) {
    this.#exchange = exchange;
    this.#request = request;
    this.#told = request.choices.map(() => ({ tokens: 0, text: 0, ended: false }));
    this.#head = `data: {"id":${JSON.stringify(request.id)},"object":"text_completion","created":${request.created},"model":${JSON.stringify(modelName(exchange))},"choices":[`;
    const { fingerprint } = exchange.sim.settings;
    this.#fingerprint = fingerprint === null ? '' : `,"system_fingerprint":${JSON.stringify(fingerprint)}`;
    this.#stream = exchange.stream();
  }

  start(): void {
    this.#stream.onDrain = () => this.#write();
    submit(this.#exchange, this.#request.choices, { onOutput: () => this.#write(), onFailure: (failure) => this.#fail(failure) });
  }

  #write(): void {
    if (this.#over || this.#stream.blocked) return;
    this.#request.choices.forEach((choice, at) => this.#writeChoice(choice, at));
    if (!this.#told.every((told) => told.ended)) return this.#stream.flush();
    this.#over = true;
    const { sampling, choices } = this.#request;
    if (sampling.includeUsage) {
      const usage = finalUsage(this.#exchange, { ...usageOf(this.#exchange, choices, sampling.n), reasoningTokens: null });
      this.#stream.event(`${this.#head}],"usage":${JSON.stringify(usage)}${this.#fingerprint}}\n\n`);
    }
    this.#stream.event('data: [DONE]\n\n');
    this.#stream.end();
  }

  #writeChoice(choice: Choice, at: number): void {
    const told = this.#told[at]!;
    const ended = choice.finishReason !== null;
    if (told.ended || (choice.pendingTokens.length === 0 && !ended)) return;
    if (!ended && told.tokens > 0 && choice.pendingTokens.length < this.#request.sampling.streamInterval) return;
    const tokens = choice.pendingTokens;
    const echo = told.tokens === 0 ? this.#request.echoed[at]! : '';
    const text = echo + textOf(choice);
    choice.pending = [];
    choice.pendingTokens = [];
    this.#stream.event(this.#chunk(choice, at, text, tokens, told));
    told.tokens += tokens.length;
    told.text += text.length;
    told.ended = ended;
  }

  #chunk(
    choice: Choice,
    at: number,
    text: string,
    tokens: readonly ScriptToken[],
    told: { readonly tokens: number; readonly text: number },
  ): string {
    const { sampling } = this.#request;
    const logprobs = JSON.stringify(logprobsOf(this.#request, choice, tokens, told.tokens, at, told.text));
    const prompt = sampling.returnTokenIds && told.tokens === 0 ? JSON.stringify(choice.settings.prompt) : 'null';
    const ids = sampling.returnTokenIds ? JSON.stringify(tokens.map((token) => token.id)) : 'null';
    const usage = sampling.continuousUsage ? runningUsage(choice.sequence.promptLength, choice.generated) : '';
    const fingerprint = choice.finishReason !== null && !sampling.includeUsage ? this.#fingerprint : '';
    return (
      `${this.#head}{"index":${choice.settings.index},"text":${JSON.stringify(text)},"logprobs":${logprobs},"finish_reason":${JSON.stringify(choice.finishReason)},` +
      `"stop_reason":${JSON.stringify(choice.stopReason)},"prompt_token_ids":${prompt},"token_ids":${ids}}]${usage}${fingerprint}}\n\n`
    );
  }

  #fail(failure: RequestFailure): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.event(errorEvent(failure));
    this.#stream.event('data: [DONE]\n\n');
    this.#stream.end();
  }
}
