import { bothWays, type Case, chat, completion, message, response } from '../case.ts';

const SCHEMA = { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'], additionalProperties: false };
const BROKEN = { type: 'objekt' };
const format = (schema: unknown) => ({ response_format: { type: 'json_schema', json_schema: { name: 's', schema } } });
const UNCOUNTED = { uncounted: true };

/** Answers held to a form, good forms and such as no engine can read. */
export const STRUCTURED: readonly Case[] = [
  ...bothWays(chat, 'chat-json-schema', { ...format(SCHEMA), max_tokens: 4, ignore_eos: false }),
  chat('chat-json-object', { response_format: { type: 'json_object' }, max_tokens: 4 }),
  chat('chat-response-format-text', { response_format: { type: 'text' } }),
  ...bothWays(chat, 'chat-choice', { structured_outputs: { choice: ['yes', 'no'] }, ignore_eos: false }, UNCOUNTED),
  chat('chat-regex', { structured_outputs: { regex: '[ab]{3}' }, ignore_eos: false }, UNCOUNTED),
  chat('chat-grammar', { structured_outputs: { grammar: 'root ::= "yes" | "no"' }, ignore_eos: false }, UNCOUNTED),
  completion('completion-json', { structured_outputs: { json: SCHEMA }, max_tokens: 4, ignore_eos: false }),
  completion('completion-response-format', { ...format(SCHEMA), max_tokens: 4, ignore_eos: false }),
  response('response-json-schema', { text: { format: { type: 'json_schema', name: 's', schema: SCHEMA } }, max_output_tokens: 4 }),
  message('message-json-schema', { output_config: { format: { type: 'json_schema', schema: SCHEMA } }, max_tokens: 4 }),

  ...bothWays(chat, 'chat-e-schema', format(BROKEN)),
  // One token: how long a number gets is the model's.
  ...bothWays(chat, 'chat-e-schema-unsupported', { ...format({ type: 'integer', multipleOf: 3 }), max_tokens: 1 }),
  ...bothWays(chat, 'chat-e-grammar', { structured_outputs: { grammar: 'root ::= (' } }),
  ...bothWays(chat, 'chat-e-regex', { structured_outputs: { regex: '(' } }),
  ...bothWays(chat, 'chat-e-choice-empty', { structured_outputs: { choice: [] } }),
  ...bothWays(chat, 'chat-e-json-text', { structured_outputs: { json: '{"type":' } }),
  ...bothWays(chat, 'chat-e-structural-tag', { response_format: { type: 'structural_tag', structures: [] } }),
  ...bothWays(chat, 'chat-e-two-constraints', { structured_outputs: { regex: 'a', choice: ['b'] } }),
  ...bothWays(chat, 'chat-e-no-constraint', { structured_outputs: {} }),
  chat('chat-e-constraint-unknown', { structured_outputs: { poem: true } }),
  chat('chat-e-guided-old', { guided_regex: 'a' }),
  ...bothWays(completion, 'completion-e-regex', { structured_outputs: { regex: '(' } }),
  ...bothWays(completion, 'completion-e-schema', { structured_outputs: { json: BROKEN } }),
  ...bothWays(response, 'response-e-schema', { text: { format: { type: 'json_schema', name: 's', schema: BROKEN } } }),
  ...bothWays(response, 'response-e-grammar', { structured_outputs: { grammar: 'root ::= (' } }),
  ...bothWays(message, 'message-e-schema', { output_config: { format: { type: 'json_schema', schema: BROKEN } } }),
];
