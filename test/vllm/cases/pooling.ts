import type { Case } from '../case.ts';

const SCORE = { model: 'tiny', text_1: 'hello', text_2: ['hello', 'bye'] };
const RERANK = { model: 'tiny', query: 'hello', documents: ['hello', 'bye', 'again'] };

/** A model of embeddings. */
export const POOLING: readonly Case[] = [
  embed('embeddings', {}),
  embed('embeddings-list', { input: ['hello', 'world'] }),
  embed('embeddings-ids', { input: [10, 11, 12] }),
  embed('embeddings-id-lists', { input: [[10, 11], [12]] }),
  embed('embeddings-base64', { encoding_format: 'base64' }),
  embed('embeddings-bytes', { encoding_format: 'bytes' }),
  embed('embeddings-bytes-only', { encoding_format: 'bytes_only' }),
  embed('embeddings-float16', { encoding_format: 'base64', embed_dtype: 'float16' }),
  embed('embeddings-messages', { input: undefined, messages: [{ role: 'user', content: 'hello' }] }),
  embed('embeddings-truncate', { input: 'a b c d e f', truncate_prompt_tokens: 2 }),
  embed('embeddings-user', { user: 'someone' }),
  embed('embeddings-normalize', { normalize: false }),
  embed('embeddings-use-activation', { use_activation: false }),
  embed('embeddings-e-model', { model: 'nope' }),
  embed('embeddings-e-no-input', { input: undefined }),
  embed('embeddings-e-empty', { input: '' }),
  embed('embeddings-e-empty-list', { input: [] }),
  embed('embeddings-e-format', { encoding_format: 'hex' }),
  embed('embeddings-e-dimensions', { dimensions: 8 }),
  embed('embeddings-e-context', { input: 'word '.repeat(1200) }),
  embed('embeddings-e-stream', { stream: true }),
  embed('embeddings-e-token', { input: [2_000_000_000] }),
  post('pooling', '/pooling', { model: 'tiny', input: 'hello' }),
  post('pooling-task', '/pooling', { model: 'tiny', input: 'hello', task: 'embed' }),
  post('pooling-base64', '/pooling', { model: 'tiny', input: 'hello', encoding_format: 'base64' }),
  post('pooling-e-no-input', '/pooling', { model: 'tiny' }),
  post('score', '/score', SCORE),
  post('score-v1', '/v1/score', SCORE),
  post('score-one', '/score', { ...SCORE, text_2: 'bye' }),
  post('score-lists', '/score', { model: 'tiny', text_1: ['a', 'b'], text_2: ['c', 'd'] }),
  post('score-queries', '/score', { model: 'tiny', queries: 'a', documents: ['b'] }),
  post('score-e-uneven', '/score', { model: 'tiny', text_1: ['a', 'b'], text_2: ['c', 'd', 'e'] }),
  post('score-e-nothing', '/score', { model: 'tiny' }),
  post('score-e-model', '/score', { ...SCORE, model: 'nope' }),
  post('rerank', '/rerank', RERANK),
  post('rerank-v1', '/v1/rerank', RERANK),
  post('rerank-v2', '/v2/rerank', RERANK),
  post('rerank-top', '/rerank', { ...RERANK, top_n: 1 }),
  post('rerank-e-no-query', '/rerank', { model: 'tiny', documents: ['a'] }),
  post('rerank-e-documents', '/rerank', { ...RERANK, documents: [] }),
  post('rerank-e-top', '/rerank', { ...RERANK, top_n: -1 }),
  post('classify', '/classify', { model: 'tiny', input: 'hello' }),
  post('chat-e', '/v1/chat/completions', { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] }),
  post('v2-embed', '/v2/embed', { model: 'tiny', texts: ['a'], input_type: 'search_query' }),
  post('tokenize', '/tokenize', { model: 'tiny', prompt: 'hello' }),
  { name: 'models', path: '/v1/models', direct: true },
];

function post(name: string, path: string, body: unknown): Case {
  return { name, path, body };
}

function embed(name: string, fields: object): Case {
  return post(name, '/v1/embeddings', { model: 'tiny', input: 'hello', ...fields });
}
