import type { Choice } from '../engine/choice.ts';
import type { Segment } from '../text/prose.ts';
import { writeScript } from '../text/scripts.ts';
import { decode } from '../text/tokenizer.ts';
import { badRequest } from '../request/api-error.ts';
import { chatPrompt, checkMedia, lastRole } from './chat-prompt.ts';
import type { ChatRequest } from './chat-request.ts';
import { finishReasonOf, streamChat } from './chat-stream.ts';
import { wantedOf, wantsReasoning } from './chat-wanted.ts';
import { hexId, nowSeconds } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { checkCombinations } from '../request/chat-refusal.ts';
import { engineRefusal, refuseInStream } from '../request/engine-refusal.ts';
import { isObject, type JsonObject } from '../request/fields.ts';
import { fullUsage, runToEnd, usageOf } from '../request/job.ts';
import { chatLogprobs, promptLogprobs } from '../request/logprobs.ts';
import { preflight } from '../request/admission.ts';
import { checkModel, modelName } from '../request/models.ts';
import { requestMetrics } from '../request/request-metrics.ts';
import { fitContext, leastTokens, newChoice, readSampling } from '../request/sampling.ts';

/** Checks a chat body and prepares its choices, numbered from `firstIndex`. Throws ApiError. */
export function prepareChat(exchange: Exchange, body: JsonObject, messages: readonly unknown[], firstIndex = 0): ChatRequest {
  const { sim } = exchange;
  checkModel(exchange, body);
  preflight(sim, Number(body['n'] ?? 1));
  const sampling = readSampling(sim, body);
  const topLogprobs = body['logprobs'] === true ? Number(body['top_logprobs'] ?? 0) : null;
  exchange.readsPromptLogprobs ||= sampling.promptLogprobs !== null;
  if (messages.length === 0) {
    throw badRequest('Cannot apply chat template to an empty conversation. Provide at least one message.');
  }
  exchange.checkParts();
  checkMedia(sim, messages);
  const refusal = engineRefusal(sim, body, topLogprobs);
  const wanted = refusal === null ? wantedOf(exchange, body, messages) : ({ kind: 'prose' } as const);
  const prompt = chatPrompt(messages, body);
  const maxTokens = fitContext(sim, prompt.length, sampling.maxTokens, sampling.limitField);
  const reasoning = wantsReasoning(sim, body);
  const choices = Array.from({ length: sampling.n }, (_, index) => {
    const script = writeScript({ prompt, seed: sampling.seed, index, wanted, reasoning, minTokens: leastTokens(sampling) });
    return newChoice(sampling, firstIndex + index, prompt, maxTokens, script);
  });
  return {
    id: `chatcmpl-${exchange.requestId(body)}`,
    created: nowSeconds(),
    sampling,
    choices,
    prompt,
    topLogprobs,
    refusal,
    ...shownOf(body, messages),
  };
}

/** What of the request the answer shows, and what of the answer it does not. */
function shownOf(
  body: JsonObject,
  messages: readonly unknown[],
): Pick<ChatRequest, 'role' | 'echoed' | 'showsPrompt' | 'hidesThoughts' | 'choosesTool'> {
  const last = messages.at(-1);
  const { tool_choice: choice } = body;
  return {
    // As in vLLM: what is not to be generated for the assistant is said in the role of the last message.
    role: body['add_generation_prompt'] === false ? (lastRole(messages) ?? 'assistant') : 'assistant',
    echoed: body['echo'] === true && isObject(last) && typeof last['content'] === 'string' ? last['content'] : '',
    showsPrompt: body['return_prompt_text'] === true,
    hidesThoughts: body['include_reasoning'] === false,
    choosesTool: choice === 'required' || isObject(choice),
  };
}

/** Text of one kind out of what a choice has said. */
export function textOf(segments: readonly Segment[], part: Segment['part'], call = 0): string {
  return segments
    .filter((segment) => segment.part === part && segment.call === call)
    .map((segment) => segment.text)
    .join('');
}

interface CalledTool {
  readonly name: string;
  readonly arguments: string;
}

/** The tool calls out of what a choice has said. */
export function callsOf(segments: readonly Segment[]): CalledTool[] {
  return segments
    .filter((segment) => segment.part === 'tool-name')
    .map((segment) => ({ name: segment.text, arguments: textOf(segments, 'tool-arguments', segment.call) }));
}

/** true where the client named the function to call: vLLM then says `stop`. */
function isNamedChoice(body: JsonObject): boolean {
  return typeof body['tool_choice'] === 'object' && body['tool_choice'] !== null;
}

function wholeChoice(request: ChatRequest, choice: Choice, named: boolean): object {
  const calls = callsOf(choice.pending);
  const content = textOf(choice.pending, 'content');
  const thoughts = textOf(choice.pending, 'reasoning');
  const reasoning = request.hidesThoughts ? '' : thoughts;
  // Where the client chose a tool and none came about, vLLM says so with an empty text.
  const silent = content === '' && (calls.length > 0 || (thoughts !== '' && !request.choosesTool));
  return {
    index: choice.settings.index,
    message: {
      role: request.role,
      content: silent ? null : request.echoed + content,
      refusal: null,
      annotations: null,
      audio: null,
      function_call: null,
      ...(calls.length === 0
        ? {}
        : {
            tool_calls: calls.map((call) => ({
              id: `chatcmpl-tool-${hexId()}`,
              type: 'function',
              function: { name: call.name, arguments: call.arguments },
            })),
          }),
      reasoning: reasoning === '' ? null : reasoning,
    },
    logprobs: request.topLogprobs === null ? null : chatLogprobs(choice.pendingTokens, 0, request.topLogprobs),
    finish_reason: finishReasonOf(choice, calls.length > 0, named),
    stop_reason: choice.stopReason,
    token_ids: request.sampling.returnTokenIds ? choice.pendingTokens.map((token) => token.id) : null,
    routed_experts: null,
  };
}

function likelihoods({ sampling, prompt, echoed }: ChatRequest): object | null {
  const top = sampling.promptLogprobs ?? (echoed === '' ? null : 0);
  return top === null ? null : promptLogprobs(prompt, top);
}

/** The whole answer, with every key that vLLM writes. */
function wholeChat(exchange: Exchange, request: ChatRequest, named: boolean, conversations = 1): object {
  const { choices } = request;
  return {
    id: request.id,
    object: 'chat.completion',
    created: request.created,
    model: modelName(exchange),
    choices: choices.map((choice) => wholeChoice(request, choice, named)),
    service_tier: null,
    system_fingerprint: exchange.sim.settings.fingerprint,
    usage: fullUsage(exchange, usageOf(exchange, choices, choices.length / conversations)),
    // An answer that repeats its prompt shows how likely that was as well.
    prompt_logprobs: likelihoods(request),
    prompt_token_ids: request.sampling.returnTokenIds ? request.prompt : null,
    prompt_text: request.showsPrompt ? decode(request.prompt) : null,
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics:
      exchange.sim.settings.perRequestMetrics && choices.length === 1
        ? { ...requestMetrics(choices[0]!), speculative_decoding: null }
        : null,
  };
}

/** `POST /v1/chat/completions` */
export async function chatCompletions(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('chat', (sent) => checkCombinations(exchange.sim, sent));
  const request = prepareChat(exchange, body, body['messages'] as unknown[]);
  const named = isNamedChoice(body);
  if (request.sampling.stream) {
    return request.refusal === null ? streamChat(exchange, request, named) : refuseInStream(exchange, request.refusal);
  }
  if (request.refusal !== null) throw request.refusal;
  await runToEnd(exchange, request.choices);
  exchange.json(200, wholeChat(exchange, request, named));
}

/** `POST /v1/chat/completions/batch`: several conversations in one request, one choice each. */
export async function chatBatch(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('batch', (sent) => checkCombinations(exchange.sim, sent));
  const conversations = body['messages'] as unknown[];
  if (conversations.length === 0 || !conversations.every((item) => Array.isArray(item)))
    throw badRequest('messages must be a list of conversations.', 'messages');
  if ((body['n'] ?? 1) !== 1) throw badRequest('n must be 1 for batched chat completions.', 'n');
  const plain = { ...body, stream: false, stream_options: null, tools: null, tool_choice: null };
  const requests = conversations.map((messages, index) => prepareChat(exchange, plain, messages as unknown[], index));
  const refusal = requests.find((request) => request.refusal !== null)?.refusal;
  if (refusal) throw refusal;
  const choices = requests.flatMap((request) => request.choices);
  await runToEnd(exchange, choices);
  exchange.json(200, wholeChat(exchange, { ...requests[0]!, choices }, false, conversations.length));
}
