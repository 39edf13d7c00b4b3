import { type Case, CHAT_PATH, COMPLETIONS_PATH, MESSAGES, MESSAGES_PATH, RESPONSES_PATH } from '../case.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const CHAT_BODY = '{"model":"tiny","messages":[{"role":"user","content":"hello"}],"max_tokens":2,"temperature":0}';
const POSTED = [CHAT_PATH, COMPLETIONS_PATH, RESPONSES_PATH, MESSAGES_PATH, '/tokenize'] as const;

/** Pages that are no inference, and bodies that are no request. */
export const PAGES: readonly Case[] = [
  get('get-models', '/v1/models'),
  get('get-model', '/v1/models/tiny'),
  get('get-version', '/version'),
  get('get-health', '/health'),
  get('get-ping', '/ping'),
  get('get-load', '/load'),
  get('get-nothing', '/v1/nothing'),
  get('get-root', '/'),
  get('get-docs-openapi', '/openapi.json/none'),
  get('get-response-unknown', '/v1/responses/resp_none'),
  get('get-response-odd', '/v1/responses/none'),
  get('get-scaleout', '/inference/v1/none'),
  get('get-server-info', '/server_info'),
  get('get-is-sleeping', '/is_sleeping'),
  get('get-tokenizer-info', '/tokenizer_info'),
  post('post-ping', '/ping', {}),
  post('post-cancel-unknown', '/v1/responses/resp_none/cancel', {}),
  post('post-embeddings', '/v1/embeddings', { model: 'tiny', input: 'a' }),
  post('post-score', '/score', { model: 'tiny', text_1: 'a', text_2: 'b' }),
  post('post-rerank', '/rerank', { model: 'tiny', query: 'a', documents: ['b'] }),
  post('post-classify', '/classify', { model: 'tiny', input: 'a' }),
  post('post-pooling', '/pooling', { model: 'tiny', input: 'a' }),
  post('post-v2-embed', '/v2/embed', { model: 'tiny', texts: ['a'], input_type: 'search_query' }),
  post('post-generative-scoring', '/generative_scoring', { model: 'tiny', query: 'a', items: ['b'], label_token_ids: [10, 11] }),
  post('post-invocations', '/invocations', { model: 'tiny', messages: MESSAGES, max_tokens: 2, temperature: 0 }),
  post('post-inference-generate', '/inference/v1/generate', { model: 'tiny', token_ids: [10], sampling_params: { max_tokens: 2 } }),
  post('post-chat-render', '/v1/chat/completions/render', { model: 'tiny', messages: MESSAGES }),
  post('post-completions-render', '/v1/completions/render', { model: 'tiny', prompt: 'a' }),
  post('post-transcriptions-json', '/v1/audio/transcriptions', {}),
  post('tokenize', '/tokenize', { model: 'tiny', prompt: 'hello world' }),
  post('tokenize-strings', '/tokenize', { model: 'tiny', prompt: 'hello world', return_token_strs: true }),
  post('tokenize-messages', '/tokenize', { model: 'tiny', messages: MESSAGES }),
  post('tokenize-no-special', '/tokenize', { model: 'tiny', prompt: 'a', add_special_tokens: false }),
  post('tokenize-e-nothing', '/tokenize', { model: 'tiny' }),
  post('tokenize-e-model', '/tokenize', { model: 'nope', prompt: 'a' }),
  post('tokenize-e-stream', '/tokenize', { model: 'tiny', prompt: 'a', stream: true }),
  post('detokenize', '/detokenize', { model: 'tiny', tokens: [100, 101] }),
  post('detokenize-e-tokens', '/detokenize', { model: 'tiny', tokens: 'a' }),
  post('detokenize-e-nothing', '/detokenize', { model: 'tiny' }),
  post('detokenize-e-negative', '/detokenize', { model: 'tiny', tokens: [-1] }),
  post('detokenize-e-large', '/detokenize', { model: 'tiny', tokens: [2_000_000_000] }),
  post('count-tokens', '/v1/messages/count_tokens', { model: 'tiny', messages: MESSAGES }),
  post('count-tokens-system', '/v1/messages/count_tokens', { model: 'tiny', messages: MESSAGES, system: 'Be brief.' }),
  post('count-tokens-e-model', '/v1/messages/count_tokens', { model: 'nope', messages: MESSAGES }),
  post('count-tokens-e-nothing', '/v1/messages/count_tokens', { model: 'tiny' }),
  get('options-chat', CHAT_PATH, 'OPTIONS'),
  ...POSTED.flatMap((path): Case[] => {
    const name = path.slice(1).replaceAll('/', '-');
    return [
      get(`get-405:${name}`, path),
      get(`delete-405:${name}`, path, 'DELETE'),
      raw(`body-empty:${name}`, path, ''),
      raw(`body-cut:${name}`, path, '{"model":"tiny",'),
      raw(`body-comma:${name}`, path, '{"model":"tiny",}'),
      raw(`body-list:${name}`, path, '[]'),
      raw(`body-text:${name}`, path, '"x"'),
      raw(`body-null:${name}`, path, 'null'),
      raw(`body-object:${name}`, path, '{}'),
      raw(`body-not-utf8:${name}`, path, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    ];
  }),
  raw('body-bom', CHAT_PATH, `\ufeff${CHAT_BODY}`),
  raw('body-duplicate-key', CHAT_PATH, `{"model":"nope",${CHAT_BODY.slice(1)}`),
  raw('body-trailing', CHAT_PATH, `${CHAT_BODY} x`),
  raw('body-control-character', CHAT_PATH, CHAT_BODY.replace('hello', 'he\nllo')),
  raw('body-space', CHAT_PATH, ` \r\n${CHAT_BODY}\n`),
  { name: 'body-no-type', path: CHAT_PATH, raw: CHAT_BODY },
  { name: 'body-text-type', path: CHAT_PATH, raw: CHAT_BODY, headers: { 'content-type': 'text/plain' } },
  { name: 'body-form-type', path: CHAT_PATH, raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  { name: 'body-charset', path: CHAT_PATH, raw: CHAT_BODY, headers: { 'content-type': 'application/json; charset=utf-8' } },
  { name: 'body-suffix-type', path: CHAT_PATH, raw: CHAT_BODY, headers: { 'content-type': 'application/vnd.api+json' } },
];

/** The gateway has pages of its own: only the engines are compared. */
function get(name: string, path: string, method = 'GET'): Case {
  return { name, path, method, direct: true };
}

function post(name: string, path: string, body: unknown): Case {
  return { name, path, body };
}

function raw(name: string, path: string, body: string | Buffer): Case {
  return { name, path, method: 'POST', raw: body, headers: JSON_TYPE };
}
