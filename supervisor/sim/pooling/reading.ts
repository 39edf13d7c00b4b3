import { chatPrompt } from '../chat/chat-prompt.ts';
import { badRequest } from '../request/api-error.ts';
import { preflight } from '../request/admission.ts';
import { vocabularyRefusal } from '../request/engine-refusal.ts';
import { nowSeconds } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject, type JsonObject } from '../request/fields.ts';
import { runToEnd } from '../request/job.ts';
import { modelName } from '../request/models.ts';
import { promptsOf } from '../request/prompts.ts';
import { fitContext, newChoice, readSampling } from '../request/sampling.ts';
import { Recital } from '../text/prose.ts';

/** How many numbers a vector of the simulation has. */
export const DIMENSIONS = 1024;

type Prompts = readonly (readonly number[])[];

/** What a body wants read: conversations, or texts and token ids. Throws ApiError. */
export function inputPrompts(body: JsonObject): number[][] {
  const conversations = [body['messages'], body['input']].find(isConversation);
  if (conversations !== undefined) {
    const list = conversations as unknown[];
    return list.every(Array.isArray) ? list.map((messages) => chatPrompt(messages as unknown[], body)) : [chatPrompt(list, body)];
  }
  const { input } = body;
  if (Array.isArray(input) && input.length === 0) throw badRequest('You must pass at least one prompt');
  return truncated(body, promptsOf(input, 'input'));
}

/** Whether it is a list of messages, or of such lists. */
export function isConversation(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0) return false;
  const first: unknown = Array.isArray(value[0]) ? value[0][0] : value[0];
  return isObject(first) && 'role' in first;
}

function truncated(body: JsonObject, prompts: number[][]): number[][] {
  const most = body['truncate_prompt_tokens'];
  return typeof most === 'number' && most > 0 ? prompts.map((prompt) => prompt.slice(-most)) : prompts;
}

/** Runs prompts through the engine without asking for a token. */
export async function readPrompts(exchange: Exchange, body: JsonObject, prompts: Prompts): Promise<void> {
  const refusal = vocabularyRefusal({}, prompts);
  if (refusal !== null) throw refusal;
  preflight(exchange.sim, prompts.length);
  const sampling = readSampling(exchange.sim, { seed: body['seed'] });
  const choices = prompts.map((prompt, index) => {
    fitContext(exchange.sim, prompt.length, null);
    return newChoice(sampling, index, prompt, 0, new Recital([]));
  });
  await runToEnd(exchange, choices);
}

export function tokensOf(prompts: Prompts): number {
  return prompts.reduce((sum, prompt) => sum + prompt.length, 0);
}

/** Answers with one item for each prompt, in the frame that all these routes have. `kind`: what its id begins with. */
export function answerList(exchange: Exchange, body: JsonObject, kind: string, data: readonly object[], prompts: Prompts): void {
  exchange.json(200, {
    id: `${kind}-${exchange.requestId(body)}`,
    object: 'list',
    created: nowSeconds(),
    model: modelName(exchange),
    data,
    usage: poolingUsage(tokensOf(prompts)),
  });
}

export function poolingUsage(tokens: number, completionTokens = 0): object {
  return {
    prompt_tokens: tokens,
    total_tokens: tokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details: null,
    completion_tokens_details: null,
  };
}
