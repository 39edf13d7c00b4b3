import { callsOf, prepareChat, textOf } from '../chat/chat.ts';
import type { Job } from '../engine/job.ts';
import type { KeptResponse } from '../engine/sim.ts';
import { ApiError, badValue } from '../request/api-error.ts';
import { type Exchange, hexId } from '../request/exchange.ts';
import { isObject, type JsonObject } from '../request/fields.ts';
import { runToEnd } from '../request/job.ts';
import { chatLogprobs, type ShownToken } from '../request/logprobs.ts';
import { checkModel } from '../request/models.ts';
import { callItem, messageItem, reasoningItem, responseObject, statusOf, type Told } from './response-object.ts';
import { streamResponse } from './response-stream.ts';

/** The conversation that `instructions` and `input` amount to. */
function conversation(body: JsonObject): unknown[] {
  const { input, instructions } = body;
  const messages: unknown[] = typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : [];
  if (typeof input === 'string') return [...messages, { role: 'user', content: input }];
  if (!Array.isArray(input)) return messages;
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
    max_output_tokens: body['max_output_tokens'] ?? null,
    logprobs: Array.isArray(body['include']) && body['include'].includes('message.output_text.logprobs'),
    top_logprobs: Array.isArray(body['include']) ? (body['top_logprobs'] ?? 0) : 0,
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

/** What vLLM looks at, and fills in, before anything else (ResponsesRequest.check_tool_usage of 0.32). Throws ApiError. */
function checkChoice(body: JsonObject): JsonObject {
  const { tools, tool_choice: choice = 'auto' } = body;
  if (body['background'] === true && body['store'] === false)
    throw badValue('background can only be used when `store` is true', 'background');
  if (Array.isArray(tools) && tools.length > 0) return body;
  if (choice === 'auto' || choice === 'none') return { ...body, tool_choice: 'none' };
  if (choice === 'required') throw badValue("Tool choice 'required' must be specified with 'tools' parameter.", 'tool_choice');
  throw badValue("Tool choice 'function' not found in 'tools' parameter.", 'tool_choice');
}

/** Without its store a server keeps no response: none can be made in the background or gone on from. */
function checkStored(exchange: Exchange, body: JsonObject): void {
  const { background, previous_response_id: previous } = body;
  checkModel(exchange, body);
  if (background === true && !exchange.sim.settings.storesResponses)
    throw new ApiError(400, 'invalid_request_error', NO_STORE, 'background');
  if (typeof previous === 'string' && !exchange.sim.responses.has(previous))
    throw new ApiError(404, 'invalid_request_error', `Response with id '${previous}' not found.`, 'response_id');
}

/** `POST /v1/responses` */
export async function responses(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('response', checkChoice);
  checkStored(exchange, body);
  const messages = conversation(body);
  const request = prepareChat(exchange, asChat(body), messages);
  const [choice] = request.choices;
  const id = typeof body['request_id'] === 'string' ? body['request_id'] : `resp_${hexId()}${hexId()}`;
  const stream = body['stream'] === true;
  const showsMetrics = exchange.sim.settings.perRequestMetrics;
  const told: Told = { exchange, body, id, created: request.created, choice: choice!, showsMetrics };
  if (stream) return request.refusal === null ? streamResponse(told) : breakOffResponse(told);
  if (request.refusal !== null) throw request.refusal;
  if (body['background'] === true) return answerLater(told);
  await runToEnd(exchange, [told.choice]);
  const response = wholeResponse(told, request.topLogprobs);
  if (keeps(told)) exchange.sim.responses.set(id, { response, cancel: () => null });
  exchange.json(200, response);
}

function wholeResponse(told: Told, topLogprobs: number | null): object {
  const { pending, pendingTokens } = told.choice;
  const reasoning = textOf(pending, 'reasoning');
  const text = textOf(pending, 'content');
  const calls = callsOf(pending).map((call) => callItem(`fc_${hexId()}`, call.name, call.arguments, 'completed'));
  const logprobs = topLogprobs === null ? null : chatLogprobs(pendingTokens, 0, topLogprobs).content.map(bytesFirst);
  const output = [
    ...(reasoning === '' ? [] : [reasoningItem(`rs_${hexId()}`, reasoning)]),
    ...(text === '' && (calls.length > 0 || reasoning !== '') ? [] : [messageItem(`msg_${hexId()}`, text, 'completed', logprobs)]),
    ...calls,
  ];
  return responseObject(told, statusOf(told.choice), output);
}

/** The same figures in the order of another of vLLM's models. */
function bytesFirst({ token, bytes, logprob, top_logprobs: top }: ShownToken): object {
  return { token, bytes, logprob, ...(top === undefined ? {} : { top_logprobs: top.map(bytesFirst) }) };
}

function keeps({ exchange, body }: Told): boolean {
  return exchange.sim.settings.storesResponses && body['store'] !== false;
}

/** A response in the background is answered at once; whoever wants to know asks again. */
function answerLater(told: Told): void {
  const { exchange, choice, id } = told;
  const { engine, responses: kept } = exchange.sim;
  const job: Job = {
    choices: [choice],
    unplannedGib: 0,
    onOutput: () => {
      if (choice.finishReason !== null && choice.finishReason !== 'abort')
        kept.set(id, { response: wholeResponse(told, null), cancel: () => null });
    },
    onFailure: () => undefined,
  };
  kept.set(id, {
    response: responseObject(told, 'in_progress', []),
    cancel: () => {
      engine.abort(job);
      return responseObject(told, 'cancelled', []);
    },
  });
  exchange.json(200, responseObject(told, 'queued', []));
  engine.submit(job);
}

/** `GET /v1/responses/{id}` */
export function retrieveResponse(exchange: Exchange): void {
  exchange.json(200, keptResponse(exchange).response);
}

/** `POST /v1/responses/{id}/cancel` */
export function cancelResponse(exchange: Exchange): void {
  const { id } = exchange.parameters;
  const response = keptResponse(exchange).cancel();
  if (response === null) throw new ApiError(400, 'invalid_request_error', 'Cannot cancel a synchronous response.', 'response_id');
  exchange.sim.responses.set(id!, { response, cancel: () => null });
  exchange.json(200, response);
}

function keptResponse(exchange: Exchange): KeptResponse {
  const { id } = exchange.parameters;
  const kept = exchange.sim.responses.get(id!);
  if (kept === undefined) throw new ApiError(404, 'invalid_request_error', `Response with id '${id}' not found.`, 'response_id');
  return kept;
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
