import type { Choice } from '../engine/choice.ts';
import type { Exchange } from '../request/exchange.ts';
import type { JsonObject } from '../request/fields.ts';
import { usageOf } from '../request/job.ts';
import { modelName } from '../request/models.ts';

export function messageItem(id: string, text: string, status: string): object {
  return { id, content: [{ annotations: [], text, type: 'output_text', logprobs: null }], role: 'assistant', status, type: 'message' };
}

export function callItem(id: string, name: string, argumentsText: string, status: string): object {
  return { arguments: argumentsText, call_id: `call_${id.slice(3)}`, name, type: 'function_call', id, status };
}

export function reasoningItem(id: string, text: string): object {
  return {
    id,
    summary: [],
    type: 'reasoning',
    content: text === '' ? [] : [{ text, type: 'reasoning_text' }],
    encrypted_content: null,
    status: null,
  };
}

/** What all the objects of one response tell. */
export interface Told {
  readonly exchange: Exchange;
  readonly body: JsonObject;
  readonly id: string;
  readonly created: number;
  readonly choice: Choice;
}

/** The `response` of the whole answer, and of the first and last events of a stream. */
export function responseObject(
  told: Told,
  status: 'in_progress' | 'completed' | 'incomplete' | 'cancelled',
  output: readonly object[],
): object {
  const { body, choice, exchange } = told;
  const usage = usageOf(exchange, [choice]);
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
    temperature: body['temperature'] ?? 1,
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_p: body['top_p'] ?? 1,
    background: false,
    max_output_tokens: choice.settings.maxTokens,
    max_tool_calls: null,
    previous_response_id: null,
    prompt: null,
    reasoning: body['reasoning'] ?? null,
    service_tier: 'auto',
    status,
    text: body['text'] ?? null,
    top_logprobs: null,
    truncation: 'disabled',
    usage:
      status === 'in_progress'
        ? null
        : {
            input_tokens: usage.promptTokens,
            input_tokens_details: { cached_tokens: usage.cachedTokens },
            output_tokens: usage.completionTokens,
            output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
            total_tokens: usage.promptTokens + usage.completionTokens,
          },
    user: body['user'] ?? null,
  };
}

/** An aborted one is `cancelled`, as vLLM says for models of the harmony format; for others it says `completed`, as if nothing were missing. */
export function statusOf(choice: Choice): 'completed' | 'incomplete' | 'cancelled' {
  if (choice.finishReason === 'abort') return 'cancelled';
  return choice.finishReason === 'stop' ? 'completed' : 'incomplete';
}
