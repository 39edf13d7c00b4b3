import type { Sim } from '../engine/sim.ts';
import { pythonRepr } from '../python/values.ts';
import { badRequest, badValue } from './api-error.ts';
import { isObject, type JsonObject } from './fields.ts';

/** Combinations of fields that vLLM's front end refuses before it looks at any of them, of a chat or a text completion. Throws ApiError. */
export function checkCombinations(sim: Sim, body: JsonObject, kind: 'chat' | 'completion' = 'chat'): JsonObject {
  checkTools(body);
  checkTemplate(body);
  checkFormat(body);
  if (
    kind === 'chat' &&
    body['top_logprobs'] !== undefined &&
    body['top_logprobs'] !== null &&
    body['logprobs'] !== true &&
    Number(body['top_logprobs']) !== 0
  )
    throw badValue('when using `top_logprobs`, `logprobs` must be set to true.', 'top_logprobs');
  if (body['cache_salt'] === '') throw badValue("Parameter 'cache_salt' must be a non-empty string if provided.", 'cache_salt');
  const words = body['bad_words'];
  if (Array.isArray(words) && words.includes('')) {
    throw badRequest(`bad_words cannot contain an empty string. Got bad_words=${pythonRepr(words)}`);
  }
  const truncate = body['truncate_prompt_tokens'];
  if (typeof truncate === 'number' && truncate > sim.maxModelLen) {
    const message = `truncate_prompt_tokens=${truncate} cannot be greater than max_model_len = ${sim.maxModelLen}. Please request a smaller truncation size.`;
    throw badValue(message, 'truncate_prompt_tokens', String(truncate));
  }
  return body;
}

function checkTools(body: JsonObject): void {
  const { tools, tool_choice: choice } = body;
  if (Array.isArray(tools) && tools.length === 0) {
    throw badValue('`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.', 'tools');
  }
  if (choice === undefined || choice === null || choice === 'none') return;
  if (!Array.isArray(tools)) throw badValue('When using `tool_choice`, `tools` must be set.', 'tool_choice');
  if (typeof choice === 'string' && choice !== 'auto' && choice !== 'required') {
    throw badValue(
      `Invalid value for \`tool_choice\`: ${choice}! Only named tools, "none", "auto" or "required" are supported.`,
      'tool_choice',
    );
  }
}

function checkTemplate(body: JsonObject): void {
  if (typeof body['chat_template'] === 'string') {
    throw badRequest(
      'Chat template is passed with request, but --trust-request-chat-template is not set. Refused request with untrusted chat template.',
    );
  }
  if (body['continue_final_message'] === true && body['add_generation_prompt'] === true) {
    throw badRequest('Cannot set both `continue_final_message` and `add_generation_prompt` to True.');
  }
}

function checkFormat(body: JsonObject): void {
  const { response_format: format, structured_outputs: structured } = body;
  if (isObject(format) && format['type'] === 'json_schema' && !isObject(format['json_schema'])) {
    throw badValue("When response_format type is 'json_schema', the 'json_schema' field must be provided.", 'response_format');
  }
  if (isObject(format) && format['type'] === 'structural_tag') {
    throw badValue('Invalid response_format structural_tag specification.', 'response_format');
  }
  if (!isObject(structured)) return;
  const kinds = ['json', 'regex', 'choice', 'grammar', 'json_object', 'structural_tag'].filter(
    (kind) => (structured[kind] ?? null) !== null,
  );
  if (kinds.length > 1) {
    throw badRequest("You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice').");
  }
  if (kinds.length > 0) return;
  const fields = {
    ...{ json: null, regex: null, choice: null, grammar: null, json_object: null, disable_any_whitespace: false },
    ...{ disable_additional_properties: false, whitespace_pattern: null, structural_tag: null, _backend: null, _backend_was_auto: false },
  };
  throw badRequest(`You must use one kind of structured outputs constraint but none are specified: ${pythonRepr(fields)}`);
}
