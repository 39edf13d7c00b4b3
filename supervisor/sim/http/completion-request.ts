import type { Choice } from '../engine/choice.ts';
import { type ApiError, badRequest, badValue } from '../request/api-error.ts';
import { checkCombinations } from '../request/chat-refusal.ts';
import { engineRefusal } from '../request/engine-refusal.ts';
import { type Exchange, nowSeconds } from '../request/exchange.ts';
import { isObject, type JsonObject } from '../request/fields.ts';
import { asSaid, completionLogprobs } from '../request/logprobs.ts';
import { admissionRefusal, preflight } from '../request/admission.ts';
import { checkModel } from '../request/models.ts';
import { promptsOf } from '../request/prompts.ts';
import { fitContext, leastTokens, newChoice, readSampling, type Sampling } from '../request/sampling.ts';
import { chance, Recital, type Script, type ScriptToken, scriptTokens } from '../text/prose.ts';
import { instanceOf } from '../text/schema-instance.ts';
import { writeScript } from '../text/scripts.ts';
import { decode } from '../text/tokenizer.ts';

const DEFAULT_MAX_TOKENS = 16;

export interface CompletionRequest {
  readonly id: string;
  readonly created: number;
  readonly sampling: Sampling;
  readonly choices: readonly Choice[];
  /** By choice: the prompt's text where the answer is to repeat it, else ''. */
  readonly echoed: readonly string[];
  readonly topLogprobs: number | null;
  /** Alternatives to show with each token of the prompt; null for none. */
  readonly promptTop: number | null;
  /** Why the engine does not take it, which a stream is told by an event; null: it does. */
  readonly refusal: ApiError | null;
  /** What was generated is not shown. */
  readonly echoOnly: boolean;
}

function scriptFor(body: JsonObject, sampling: Sampling, prompt: readonly number[], index: number): Script {
  const structured = body['structured_outputs'];
  const format = body['response_format'];
  const given = isObject(structured) ? structured['json'] : undefined;
  const schema = isObject(structured)
    ? typeof given === 'string'
      ? undefined
      : given
    : isObject(format) && isObject(format['json_schema'])
      ? format['json_schema']['schema']
      : undefined;
  if (schema !== undefined && schema !== null)
    return new Recital(scriptTokens(JSON.stringify(instanceOf(schema, chance(sampling.seed))), 'content'));
  return writeScript({ prompt, seed: sampling.seed, index, wanted: { kind: 'prose' }, reasoning: false, minTokens: leastTokens(sampling) });
}

/** Reads and checks a request for text completions. Throws ApiError. */
export async function readCompletionRequest(exchange: Exchange): Promise<CompletionRequest> {
  const sent = await exchange.readJson('completion', (body) => checkCombinations(exchange.sim, body, 'completion'));
  const { sim } = exchange;
  // Nothing but the prompt is wanted back: vLLM makes one token all the same, and does not show it.
  const echoOnly = sent['echo'] === true && sent['max_tokens'] === 0;
  const body = echoOnly ? { ...sent, max_tokens: 1 } : sent;
  checkModel(exchange, body);
  preflight(sim, Number(body['n'] ?? 1));
  const sampling = readSampling(sim, body, { defaultMaxTokens: DEFAULT_MAX_TOKENS });
  if (typeof body['suffix'] === 'string' && body['suffix'] !== '') {
    throw badRequest('suffix is only supported for models with FIM completion rendering', 'suffix');
  }
  if (body['prompt'] === undefined || body['prompt'] === null || body['prompt'] === '') {
    throw badValue('Either prompt or prompt_embeds must be provided and non-empty.', 'prompt');
  }
  if (Array.isArray(body['prompt']) && body['prompt'].length === 0) throw badRequest('You must pass at least one prompt');
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
  // Each prompt is let in by itself: where the second finds no room, a stream has begun.
  const crowded = prompts.length > 1 ? admissionRefusal(sim, choices.length) : null;
  const refusal = engineRefusal(sim, body, topLogprobs, prompts) ?? crowded;
  // An answer that repeats its prompt shows the prompt's logprobs too.
  const promptTop = sampling.promptLogprobs ?? (body['echo'] === true ? topLogprobs : null);
  exchange.readsPromptLogprobs = promptTop !== null;
  return {
    id: `cmpl-${exchange.requestId(body)}`,
    created: nowSeconds(),
    sampling,
    choices,
    echoed,
    topLogprobs,
    promptTop,
    refusal,
    echoOnly,
  };
}

/** `logprobs` of some tokens, the first of which is number `from` of the choice and stands at `offset`. */
export function logprobsOf(
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

/** What a choice has said that nobody has taken yet. */
export function textOf(choice: Choice): string {
  return choice.pending.map((segment) => segment.text).join('');
}
