import { bothWays, type Case, chat, message, MESSAGES, response } from '../case.ts';

const TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const RESPONSE_TOOL = { ...TOOL.function, type: 'function' };
const MESSAGE_TOOL = { name: 'get_weather', description: 'The weather', input_schema: TOOL.function.parameters };
const NAMED = { type: 'function', function: { name: 'get_weather' } };
/** How a call goes on and when it ends is the model's. */
const FREE = { uncounted: true };
const KEY = { authorization: 'Bearer secret' };

/** A server with parsers, a key and everything that adds fields to an answer. */
export const TOOLS: readonly Case[] = [
  { name: 'no-key', path: '/v1/chat/completions', body: { model: 'tiny', messages: MESSAGES, max_tokens: 2 }, direct: true },
  {
    name: 'wrong-key',
    path: '/v1/chat/completions',
    body: { model: 'tiny', messages: MESSAGES, max_tokens: 2 },
    direct: true,
    headers: { authorization: 'Bearer no' },
  },
  { name: 'no-key-models', path: '/v1/models', direct: true },
  { name: 'no-key-tokenize', path: '/tokenize', body: { model: 'tiny', prompt: 'a' }, direct: true },
  { name: 'no-key-health', path: '/health', direct: true },
  { name: 'no-key-metrics-405', path: '/metrics', method: 'POST', direct: true },
  ...withKey([
    { name: 'models', path: '/v1/models', direct: true },
    { name: 'load', path: '/load', direct: true },
    ...bothWays(chat, 'chat'),
    chat('chat-usage-stream', { stream: true, stream_options: { include_usage: true } }),
    chat('chat-alias', { model: 'tiny-two' }),
    ...bothWays(chat, 'chat-auto', { tools: [TOOL], tool_choice: 'auto' }),
    chat('chat-auto-default', { tools: [TOOL] }),
    chat('chat-none', { tools: [TOOL], tool_choice: 'none' }),
    ...bothWays(chat, 'chat-required-cut', { tools: [TOOL], tool_choice: 'required' }, FREE),
    ...bothWays(chat, 'chat-named-cut', { tools: [TOOL], tool_choice: NAMED }, FREE),
    chat('chat-e-named-unknown', { tools: [TOOL], tool_choice: { type: 'function', function: { name: 'other' } } }),
    chat('chat-e-tools-empty', { tools: [] }),
    chat('chat-e-tool-name', { tools: [{ type: 'function', function: { name: '', parameters: {} } }] }),
    chat('chat-e-tool-parameters', {
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'objekt' } } }],
      tool_choice: 'required',
    }),
    chat('chat-tool-results', {
      messages: [
        ...MESSAGES,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'rain' },
      ],
      tools: [TOOL],
    }),
    ...bothWays(chat, 'chat-thinking-off', { chat_template_kwargs: { enable_thinking: false } }),
    ...bothWays(chat, 'chat-no-reasoning', { include_reasoning: false }),
    ...bothWays(chat, 'chat-thinking-budget', { thinking_token_budget: 2 }, FREE),
    chat('chat-parallel-off', { tools: [TOOL], tool_choice: 'auto', parallel_tool_calls: false }),
    ...bothWays(message, 'message', {}, FREE),
    ...bothWays(message, 'message-tools', { tools: [MESSAGE_TOOL] }, FREE),
    message('message-tool-any', { tools: [MESSAGE_TOOL], tool_choice: { type: 'any' } }, FREE),
    message('message-tool-named', { tools: [MESSAGE_TOOL], tool_choice: { type: 'tool', name: 'get_weather' } }, FREE),
    ...bothWays(message, 'message-thinking', { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 8 }, FREE),
    message('message-e-thinking', { thinking: { type: 'enabled', budget_tokens: 5 } }),
    { name: 'count-tokens-tools', path: '/v1/messages/count_tokens', body: { model: 'tiny', messages: MESSAGES, tools: [MESSAGE_TOOL] } },
    ...bothWays(response, 'response', {}, FREE),
    ...bothWays(response, 'response-tools', { tools: [RESPONSE_TOOL] }, FREE),
    response('response-stored', { request_id: 'kept', store: true }, FREE),
    { name: 'response-retrieved', path: '/v1/responses/resp_kept', direct: true, uncounted: true },
    response('response-background', { request_id: 'later', store: true, background: true }, FREE),
    { name: 'response-cancel', path: '/v1/responses/resp_kept/cancel', method: 'POST', direct: true, uncounted: true },
    response('response-previous', { previous_response_id: 'resp_kept' }, { uncounted: true, direct: true }),
  ]),
];

function withKey(cases: readonly Case[]): Case[] {
  return cases.map((one) => ({ ...one, headers: { ...KEY, ...one.headers } }));
}
