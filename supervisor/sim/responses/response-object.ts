import type { Choice } from '../engine/choice.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject, type JsonObject } from '../request/fields.ts';
import { pythonFloat } from '../python/values.ts';
import { usageOf } from '../request/job.ts';
import { modelName } from '../request/models.ts';
import { requestMetrics } from '../request/request-metrics.ts';

export function messageItem(id: string, text: string, status: string, logprobs: readonly object[] | null = null): object {
  return {
    id,
    content: [{ annotations: [], text, type: 'output_text', logprobs }],
    role: 'assistant',
    status,
    type: 'message',
    phase: null,
  };
}

export function callItem(id: string, name: string, argumentsText: string, status: string): object {
  return { arguments: argumentsText, call_id: `call_${id.slice(3)}`, name, type: 'function_call', id, status };
}

/** `status`: null in a whole answer; a stream tells it. */
export function reasoningItem(id: string, text: string, status: 'in_progress' | 'completed' | null = null): object {
  return {
    id,
    summary: [],
    type: 'reasoning',
    content: status === 'in_progress' ? null : [{ text, type: 'reasoning_text' }],
    encrypted_content: null,
    status,
  };
}

/** A number that Python has as a float: 1 is written as 1.0. */
function pythonNumber(value: unknown): unknown {
  return typeof value === 'number' ? RAW.rawJSON(pythonFloat(value)) : value;
}

/** Of ECMAScript's proposal for JSON that is passed on as it is written; TypeScript does not list it yet. */
const RAW = JSON as unknown as { rawJSON(text: string): object };

/** A function with the fields that vLLM fills in. */
function shownTool(tool: unknown): unknown {
  if (!isObject(tool) || tool['type'] !== 'function') return tool;
  const { name, parameters, strict, description } = tool;
  return {
    ...{
      name,
      parameters: parameters ?? null,
      strict: strict ?? null,
      type: 'function',
      allowed_callers: null,
      async: null,
      defer_loading: null,
    },
    ...{ description: description ?? null, output_schema: null },
  };
}

/** `text` with the fields that vLLM fills in. */
function textOptions(text: unknown): unknown {
  if (!isObject(text)) return null;
  const { format } = text;
  const shown =
    isObject(format) && format['type'] === 'json_schema'
      ? { name: null, schema: null, type: null, description: null, strict: null, ...format }
      : format;
  return { format: shown ?? null, verbosity: text['verbosity'] ?? null };
}

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'cancelled';

/** What all the objects of one response tell. */
export interface Told {
  readonly exchange: Exchange;
  readonly body: JsonObject;
  readonly id: string;
  readonly created: number;
  readonly choice: Choice;
  /** The server tells how long it took. */
  readonly showsMetrics: boolean;
}

/** The `response` of the whole answer, and of the first and last events of a stream. */
export function responseObject(told: Told, status: ResponseStatus, output: readonly object[]): object {
  const { body, choice, exchange } = told;
  const usage = status === 'in_progress' || status === 'queued' ? null : usageOf(exchange, [choice]);
  return {
    id: told.id,
    created_at: told.created,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: body['instructions'] ?? null,
    metadata: body['metadata'] ?? null,
    model: modelName(exchange),
    object: 'response',
    output,
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    temperature: pythonNumber(body['temperature'] ?? 1),
    tool_choice: body['tool_choice'] ?? (Array.isArray(body['tools']) && body['tools'].length > 0 ? 'auto' : 'none'),
    tools: Array.isArray(body['tools']) ? (body['tools'] as unknown[]).map(shownTool) : [],
    top_p: pythonNumber(body['top_p'] ?? 1),
    background: body['background'] === true,
    max_output_tokens: choice.settings.maxTokens,
    max_tool_calls: null,
    previous_response_id: null,
    prompt: null,
    reasoning: body['reasoning'] ?? null,
    service_tier: body['service_tier'] ?? 'auto',
    status,
    text: textOptions(body['text']),
    top_logprobs: body['top_logprobs'] ?? null,
    truncation: 'disabled',
    usage:
      usage === null
        ? null
        : {
            input_tokens: usage.promptTokens,
            input_tokens_details: {
              cached_tokens: usage.cachedTokens,
              cache_write_tokens: 0,
              input_tokens_per_turn: [],
              cached_tokens_per_turn: [],
            },
            output_tokens: usage.completionTokens,
            output_tokens_details: {
              reasoning_tokens: usage.reasoningTokens ?? 0,
              tool_output_tokens: 0,
              output_tokens_per_turn: [],
              tool_output_tokens_per_turn: [],
            },
            total_tokens: usage.promptTokens + usage.completionTokens,
          },
    user: body['user'] ?? null,
    ...(told.showsMetrics && usage !== null ? { metrics: { ...requestMetrics(choice), speculative_decoding: null } } : {}),
    presence_penalty: pythonNumber(body['presence_penalty'] ?? 0),
    frequency_penalty: pythonNumber(body['frequency_penalty'] ?? 0),
    kv_transfer_params: null,
    ec_transfer_params: null,
    input_messages: null,
    output_messages: null,
  };
}

/** An aborted one is `cancelled`, as vLLM says for models of the harmony format; for others it says `completed`, as if nothing were missing. */
export function statusOf(choice: Choice): 'completed' | 'incomplete' | 'cancelled' {
  if (choice.finishReason === 'abort') return 'cancelled';
  return choice.finishReason === 'stop' ? 'completed' : 'incomplete';
}
