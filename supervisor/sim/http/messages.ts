import type { Choice } from '../engine/choice.ts';
import { type ApiError, invalidFields } from '../request/api-error.ts';
import { chatPrompt } from '../chat/chat-prompt.ts';
import { streamBlocks } from '../chat/block-stream.ts';
import type { Block } from '../chat/block-stream.ts';
import { shortened } from '../body/problem.ts';
import { PythonError, pythonRepr } from '../python/values.ts';
import { callsOf, prepareChat, textOf } from '../chat/chat.ts';
import { hexId } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject } from '../request/fields.ts';
import type { JsonObject } from '../request/fields.ts';
import { createdTokens, failureText, runToEnd, usageOf as chatUsage } from '../request/job.ts';
import { preflight } from '../request/admission.ts';
import { checkModel, modelName } from '../request/models.ts';

/** One message of Anthropic's shape as chat messages: what a tool answered becomes a message of its own. */
function asChatMessages(message: unknown): unknown[] {
  if (!isObject(message) || !Array.isArray(message['content'])) return [message];
  const results = message['content'].filter((block) => isObject(block) && block['type'] === 'tool_result') as JsonObject[];
  const rest = message['content'].filter((block) => !(isObject(block) && block['type'] === 'tool_result')) as unknown[];
  return [
    ...(rest.length > 0 ? [{ role: message['role'], content: rest }] : []),
    ...results.map((block) => ({ role: 'tool', content: block['content'] ?? '' })),
  ];
}

function conversation(body: JsonObject): unknown[] {
  const { system } = body;
  const first = typeof system === 'string' || Array.isArray(system) ? [{ role: 'system', content: system }] : [];
  return [...first, ...(body['messages'] as unknown[]).flatMap(asChatMessages)];
}

function toolChoice(body: JsonObject): JsonObject {
  const choice = body['tool_choice'];
  if (!isObject(choice)) return {};
  if (choice['type'] === 'tool') return { tool_choice: { type: 'function', function: { name: choice['name'] } } };
  return { tool_choice: choice['type'] === 'any' ? 'required' : choice['type'] };
}

/** What `output_config` says in a chat's words: a schema for the answer, and how long to think. */
function outputConfig(body: JsonObject): JsonObject {
  const config = body['output_config'];
  if (!isObject(config)) return {};
  const { format, effort } = config;
  const schema = isObject(format) ? format['schema'] : null;
  return {
    ...(isObject(schema) && Object.keys(schema).length > 0
      ? { response_format: { type: 'json_schema', json_schema: { name: 'json_schema', schema } } }
      : {}),
    ...(typeof effort === 'string' ? { reasoning_effort: effort } : {}),
  };
}

/** What vLLM's own validators add to the shape of the body. Throws ApiError. */
function checkNumbers(body: JsonObject): void {
  const { max_tokens: most, thinking } = body;
  const wrong = (loc: readonly string[], input: unknown, words: string): ApiError =>
    invalidFields([
      {
        type: 'value_error',
        loc: ['body', ...loc],
        msg: `Value error, ${words}`,
        input,
        ctx: { error: new PythonError('ValueError', words) },
      },
    ]);
  if (Number(most) <= 0) throw wrong(['max_tokens'], most, 'max_tokens must be positive');
  if (isObject(thinking) && thinking['type'] === 'enabled' && Number(thinking['budget_tokens']) >= Number(most))
    throw wrong([], body, 'thinking.budget_tokens must be less than max_tokens');
}

/** The same request as a chat body. */
function asChat(body: JsonObject): JsonObject {
  const tools = Array.isArray(body['tools'])
    ? (body['tools'] as unknown[])
        .filter(isObject)
        .map((tool) => ({ type: 'function', function: { name: tool['name'], parameters: tool['input_schema'] } }))
    : [];
  return {
    model: body['model'],
    max_completion_tokens: body['max_tokens'],
    stop: body['stop_sequences'] ?? null,
    ...(body['seed'] === undefined ? {} : { seed: body['seed'] }),
    ...(body['temperature'] === undefined ? {} : { temperature: body['temperature'] }),
    ...(body['top_p'] === undefined ? {} : { top_p: body['top_p'] }),
    ...(body['top_k'] === undefined ? {} : { top_k: body['top_k'] }),
    ...(tools.length > 0 ? { tools } : {}),
    ...toolChoice(body),
    ...outputConfig(body),
  };
}

function stopReasonOf(choice: Choice, called: boolean): JsonObject {
  if (choice.finishReason === 'abort') return { stop_reason: null };
  if (called) return { stop_reason: 'tool_use' };
  if (choice.finishReason === 'length') return { stop_reason: 'max_tokens' };
  return typeof choice.stopReason === 'string'
    ? { stop_reason: 'stop_sequence', stop_sequence: choice.stopReason }
    : { stop_reason: 'end_turn' };
}

/** With the details of the cache, where they are told, its tokens are no input (vllm/entrypoints/anthropic/serving.py of 0.32). */
function usageOf(exchange: Exchange, choice: Choice): object {
  const input = choice.sequence.promptLength;
  if (!exchange.sim.settings.promptTokensDetails) return { input_tokens: input, output_tokens: choice.generated };
  const usage = chatUsage(exchange, [choice]);
  const created = createdTokens(usage);
  return {
    input_tokens: Math.max(0, input - usage.cachedTokens - created),
    output_tokens: choice.generated,
    cache_creation_input_tokens: created,
    cache_read_input_tokens: usage.cachedTokens,
  };
}

/** `POST /v1/messages` */
export async function messages(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('message');
  checkNumbers(body);
  const request = prepareChat(exchange, asChat(body), conversation(body));
  const choice = request.choices[0]!;
  if (body['stream'] === true) {
    return request.refusal === null ? streamMessage(exchange, request.id, choice) : refuseMessage(exchange, request.refusal);
  }
  if (request.refusal !== null) throw request.refusal;
  await runToEnd(exchange, [choice]);
  const reasoning = textOf(choice.pending, 'reasoning');
  const text = textOf(choice.pending, 'content');
  const calls = callsOf(choice.pending).map((call) => ({
    type: 'tool_use',
    id: `chatcmpl-tool-${hexId()}`,
    name: call.name,
    input: JSON.parse(choice.finishReason === 'stop' ? call.arguments : '{}') as unknown,
  }));
  const content = [
    ...(reasoning === '' ? [] : [{ type: 'thinking', thinking: reasoning, signature: signature() }]),
    ...(text === '' && (calls.length > 0 || reasoning !== '') ? [] : [{ type: 'text', text }]),
    ...calls,
  ];
  exchange.json(200, {
    id: request.id,
    type: 'message',
    role: 'assistant',
    content,
    model: modelName(exchange),
    ...stopReasonOf(choice, calls.length > 0),
    usage: usageOf(exchange, choice),
  });
}

/** Nobody signs anything; the field is filled all the same. */
function signature(): string {
  return hexId() + hexId();
}

/** vLLM reads the engine's error event as a chunk, and tells its client that it could not. */
function refuseMessage(exchange: Exchange, { message, type, param, status }: ApiError): void {
  const shown = shortened(pythonRepr({ error: { message, type, param, code: status } }));
  const input = `[type=missing, input_value=${shown}, input_type=dict]`;
  const help = 'For further information visit https://errors.pydantic.dev/2.14/v/missing';
  const fields = ['model', 'choices'].map((field) => `${field}\n  Field required ${input}\n    ${help}`);
  const error = { type: 'internal_error', message: `2 validation errors for ChatCompletionStreamResponse\n${fields.join('\n')}` };
  const stream = exchange.stream();
  stream.event(`event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`);
  stream.end();
}

function emptyBlock(block: Block): object {
  if (block.kind === 'text') return { type: 'text', text: '' };
  if (block.kind === 'reasoning') return { type: 'thinking', thinking: '' };
  return { type: 'tool_use', id: `chatcmpl-tool-${hexId()}`, name: block.name, input: {} };
}

function deltaOf(block: Block, text: string): object {
  if (block.kind === 'text') return { type: 'text_delta', text };
  return block.kind === 'reasoning' ? { type: 'thinking_delta', thinking: text } : { type: 'input_json_delta', partial_json: text };
}

function streamMessage(exchange: Exchange, id: string, choice: Choice): void {
  const stream = exchange.stream();
  let called = false;
  function event(type: string, fields: JsonObject): void {
    stream.event(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  }
  streamBlocks(exchange, choice, stream, {
    begin: () => {
      const usage = { input_tokens: choice.sequence.promptLength, output_tokens: 0 };
      event('message_start', {
        message: {
          id,
          type: 'message',
          role: 'assistant',
          content: [],
          model: modelName(exchange),
          stop_reason: null,
          stop_sequence: null,
          usage,
        },
      });
    },
    open: (block) => {
      called ||= block.kind === 'call';
      event('content_block_start', { content_block: emptyBlock(block), index: block.index });
    },
    delta: (block, text) => event('content_block_delta', { delta: deltaOf(block, text), index: block.index }),
    close: (block) => {
      if (block.kind === 'reasoning') {
        event('content_block_delta', { delta: { type: 'signature_delta', signature: signature() }, index: block.index });
      }
      event('content_block_stop', { index: block.index });
    },
    end: () => {
      event('message_delta', {
        delta: { stop_reason: null, stop_sequence: null, ...stopReasonOf(choice, called) },
        usage: usageOf(exchange, choice),
      });
      event('message_stop', {});
    },
    fail: (failure) => event('error', { error: { type: 'internal_error', message: failureText(failure) } }),
  });
}

/** `POST /v1/messages/count_tokens` */
export async function countTokens(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('count');
  checkModel(exchange, body);
  // It is rendered as a chat would be, and so is refused as one where the server is busy.
  preflight(exchange.sim, 1);
  const tokens = chatPrompt(conversation(body), asChat(body)).length;
  exchange.json(200, { input_tokens: tokens, context_management: { original_input_tokens: tokens } });
}
