import { streamBlocks } from './block-stream.ts';
import type { Block } from './block-stream.ts';
import { ApiError, badRequest, badValue } from '../request/api-error.ts';
import { callsOf, prepareChat, textOf } from './chat.ts';
import { hexId } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject } from '../request/fields.ts';
import type { BodyShape, JsonObject } from '../request/fields.ts';
import { failureText, runToEnd } from '../request/job.ts';
import { checkModel } from '../request/models.ts';
import { callItem, messageItem, reasoningItem, responseObject, statusOf, type Told } from './response-object.ts';

const SHAPE: BodyShape = {
  required: ['input'],
  kinds: {
    model: 'str',
    instructions: 'str',
    max_output_tokens: 'int',
    temperature: 'float',
    top_p: 'float',
    stream: 'bool',
    store: 'bool',
    background: 'bool',
    previous_response_id: 'str',
    tools: 'list',
    text: 'dict',
    reasoning: 'dict',
    parallel_tool_calls: 'bool',
  },
};

/** The conversation that `instructions` and `input` amount to. */
function conversation(body: JsonObject): unknown[] {
  const { input, instructions } = body;
  const messages: unknown[] = typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : [];
  if (typeof input === 'string') return [...messages, { role: 'user', content: input }];
  if (!Array.isArray(input)) throw badRequest('input must be a string or a list of items.', 'input');
  for (const item of input as unknown[]) {
    if (!isObject(item)) continue;
    if (item['type'] === 'function_call') messages.push({ role: 'assistant', content: null, tool_calls: [item] });
    else if (item['type'] === 'function_call_output') messages.push({ role: 'tool', content: item['output'] });
    else if (item['type'] === 'reasoning') continue;
    else messages.push({ role: item['role'] ?? 'user', content: item['content'] });
  }
  return messages;
}

/** The same request as a chat body. */
function asChat(body: JsonObject): JsonObject {
  const tools = Array.isArray(body['tools'])
    ? (body['tools'] as unknown[])
        .filter((tool) => isObject(tool) && tool['type'] === 'function')
        .map((tool) => ({ type: 'function', function: tool }))
    : [];
  const format = isObject(body['text']) ? body['text']['format'] : null;
  const choice = body['tool_choice'];
  return {
    model: body['model'],
    ...(body['seed'] === undefined ? {} : { seed: body['seed'] }),
    ...(body['temperature'] === undefined ? {} : { temperature: body['temperature'] }),
    ...(body['top_p'] === undefined ? {} : { top_p: body['top_p'] }),
    max_completion_tokens: body['max_output_tokens'] ?? null,
    ...(tools.length > 0 ? { tools } : {}),
    structured_outputs: body['structured_outputs'],
    ...(isObject(choice)
      ? { tool_choice: { type: 'function', function: { name: choice['name'] } } }
      : choice === undefined
        ? {}
        : { tool_choice: choice }),
    response_format:
      isObject(format) && format['type'] === 'json_schema' ? { type: 'json_schema', json_schema: { schema: format['schema'] } } : format,
  };
}

const NO_STORE =
  'This vLLM engine does not support `store=True` and therefore does not support the background mode. To enable these features, set the environment variable `VLLM_ENABLE_RESPONSES_API_STORE=1` when launching the vLLM server.';

/** No response is kept, as where vLLM is started without its store: none can be made in the background or gone on from. */
function checkStored(exchange: Exchange, body: JsonObject): void {
  const { background, store, previous_response_id: previous } = body;
  if (background === true && store === false) throw badValue('background can only be used when `store` is true', 'background');
  checkModel(exchange, body);
  if (background === true) throw new ApiError(400, 'invalid_request_error', NO_STORE, 'background');
  if (typeof previous === 'string')
    throw new ApiError(404, 'invalid_request_error', `Response with id '${previous}' not found.`, 'response_id');
}

/** `POST /v1/responses` */
export async function responses(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson(SHAPE);
  checkStored(exchange, body);
  const messages = conversation(body);
  const request = prepareChat(exchange, asChat(body), messages);
  const [choice] = request.choices;
  const told: Told = { exchange, body, id: `resp_${exchange.requestId(body)}`, created: request.created, choice: choice! };
  if (body['stream'] === true) return request.refusal === null ? streamResponse(told) : breakOffResponse(told);
  if (request.refusal !== null) throw request.refusal;
  await runToEnd(exchange, [told.choice]);
  const { pending } = told.choice;
  const reasoning = textOf(pending, 'reasoning');
  const text = textOf(pending, 'content');
  const calls = callsOf(pending).map((call) => callItem(`fc_${hexId()}`, call.name, call.arguments, 'completed'));
  const output = [
    ...(reasoning === '' ? [] : [reasoningItem(`rs_${hexId()}`, reasoning)]),
    ...(text === '' && calls.length > 0 ? [] : [messageItem(`msg_${hexId()}`, text, 'completed')]),
    ...calls,
  ];
  exchange.json(200, responseObject(told, statusOf(told.choice), output));
}

/** What the engine refuses once a stream has begun makes vLLM's handler raise: the connection ends without a last chunk. */
function breakOffResponse(told: Told): void {
  const stream = told.exchange.stream();
  for (const [at, name] of ['created', 'in_progress'].entries()) {
    const type = `response.${name}`;
    const data = { response: responseObject(told, 'in_progress', []), sequence_number: at, type };
    stream.event(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }
  stream.flush();
  told.exchange.breakOff();
}

function streamResponse(told: Told): void {
  const stream = told.exchange.stream();
  const output: object[] = [];
  let sequence = 0;
  let itemId = '';

  function event(type: string, fields: JsonObject): void {
    stream.event(`event: ${type}\ndata: ${JSON.stringify({ ...fields, sequence_number: sequence++, type })}\n\n`);
  }

  function itemOf(block: Block, status: string): object {
    if (block.kind === 'reasoning') return reasoningItem(itemId, block.text);
    if (block.kind === 'call') return callItem(itemId, block.name, block.text, status);
    return status === 'completed'
      ? messageItem(itemId, block.text, status)
      : { id: itemId, content: [], role: 'assistant', status, type: 'message', phase: null };
  }

  function partOf(block: Block): object {
    return block.kind === 'reasoning'
      ? { text: block.text, type: 'reasoning_text' }
      : { annotations: [], text: block.text, type: 'output_text', logprobs: [] };
  }

  const prefix = { text: 'msg', reasoning: 'rs', call: 'fc' } as const;
  const where = (block: Block): JsonObject => ({ content_index: 0, item_id: itemId, output_index: block.index });
  const textEvent = { text: 'output_text', reasoning: 'reasoning_text' } as const;

  streamBlocks(told.exchange, told.choice, stream, {
    begin: () => {
      event('response.created', { response: responseObject(told, 'in_progress', []) });
      event('response.in_progress', { response: responseObject(told, 'in_progress', []) });
    },
    open: (block) => {
      itemId = `${prefix[block.kind]}_${hexId()}`;
      event('response.output_item.added', { item: itemOf(block, 'in_progress'), output_index: block.index });
      if (block.kind !== 'call') event('response.content_part.added', { ...where(block), part: partOf(block) });
    },
    delta: (block, text) => {
      if (block.kind === 'call')
        event('response.function_call_arguments.delta', { delta: text, item_id: itemId, output_index: block.index });
      else
        event(`response.${textEvent[block.kind]}.delta`, {
          ...where(block),
          delta: text,
          ...(block.kind === 'text' ? { logprobs: [] } : {}),
        });
    },
    close: (block) => {
      if (block.kind === 'call') {
        event('response.function_call_arguments.done', {
          arguments: block.text,
          item_id: itemId,
          name: block.name,
          output_index: block.index,
        });
      } else {
        event(`response.${textEvent[block.kind]}.done`, {
          ...where(block),
          text: block.text,
          ...(block.kind === 'text' ? { logprobs: [] } : {}),
        });
        event('response.content_part.done', { ...where(block), part: partOf(block) });
      }
      const item = itemOf(block, 'completed');
      output.push(item);
      event('response.output_item.done', { item, output_index: block.index });
    },
    end: (choice) => event('response.completed', { response: responseObject(told, statusOf(choice), output) }),
    fail: (failure) => event('error', { code: '500', message: failureText(failure), param: null }),
  });
}
