/** A call of one of the four APIs. */
export interface Sample {
  readonly name: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const CHAT = '/v1/chat/completions';
const COMPLETION = '/v1/completions';
const RESPONSE = '/v1/responses';
const MESSAGE = '/v1/messages';

const messages = [{ role: 'user', content: 'Name a river.' }];
const NO_SCHEMA = { type: 'objekt' };
const chat = { messages, max_tokens: 8 };
const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: NO_SCHEMA } } };
const text = { text: { format: { type: 'json_schema', name: 'x', schema: NO_SCHEMA } } };

/** Streams whose fault vLLM finds after it has begun to answer, each in its own way. */
export const BAD_STREAMS: readonly Sample[] = [
  { name: 'a schema that is none', path: CHAT, body: { ...chat, ...format, stream: true } },
  { name: 'a grammar that is none', path: CHAT, body: { ...chat, structured_outputs: { grammar: 'root ::= (' }, stream: true } },
  {
    name: 'a regex that is none',
    path: COMPLETION,
    body: { prompt: 'a', max_tokens: 8, structured_outputs: { regex: '(' }, stream: true },
  },
  {
    name: 'a token out of the vocabulary',
    path: COMPLETION,
    body: { prompt: 'a', max_tokens: 8, logit_bias: { 2_000_000_000: 5 }, stream: true },
  },
  { name: 'tokens out of the vocabulary', path: CHAT, body: { ...chat, allowed_token_ids: [2_000_000_000], stream: true } },
  { name: 'more log-probabilities than are granted', path: CHAT, body: { ...chat, logprobs: true, top_logprobs: 99, stream: true } },
  { name: 'a response with a schema that is none', path: RESPONSE, body: { input: 'a', max_output_tokens: 8, ...text, stream: true } },
  {
    name: 'a message with a schema that is none',
    path: MESSAGE,
    body: { ...chat, output_config: { format: { type: 'json_schema', schema: NO_SCHEMA } }, stream: true },
  },
];

/** Calls that are refused before anything begins. */
export const BAD_CALLS: readonly Sample[] = [
  ...BAD_STREAMS.map(({ name, path, body }) => ({ name: `${name}, whole`, path, body: { ...body, stream: false } })),
  { name: 'a negative temperature', path: CHAT, body: { ...chat, temperature: -1 } },
  { name: 'no messages', path: CHAT, body: { max_tokens: 8 } },
  { name: 'a response that nobody has made', path: RESPONSE, body: { input: 'a', previous_response_id: 'resp_nobody' } },
  {
    name: 'more than the context holds',
    path: MESSAGE,
    body: { messages: [{ role: 'user', content: 'word '.repeat(5_000) }], max_tokens: 8 },
  },
];

/** Good ones, with a prompt of so many words. `long` streams are worth leaving. */
export function goodCalls(words: number, tokens: number): readonly Sample[] {
  const prompt = Array.from({ length: words }, (_, i) => `w${(i * 7) % 90}`).join(' ');
  const said = { messages: [{ role: 'user', content: prompt }], max_tokens: tokens };
  const both = (name: string, path: string, body: object): Sample[] => [
    { name, path, body: { ...body } },
    { name: `${name}, stream`, path, body: { ...body, stream: true } },
  ];
  return [
    ...both('chat', CHAT, said),
    ...both('completion', COMPLETION, { prompt, max_tokens: tokens }),
    ...both('response', RESPONSE, { input: prompt, max_output_tokens: tokens }),
    ...both('message', MESSAGE, said),
    ...both('prompts', COMPLETION, { prompt: [prompt, 'a b'], max_tokens: tokens }),
    { name: 'usage wanted', path: CHAT, body: { ...said, stream: true, stream_options: { include_usage: true } } },
    { name: 'usage unwanted', path: CHAT, body: { ...said, stream: true, stream_options: { include_usage: false } } },
    { name: 'several tokens an event', path: CHAT, body: { ...said, stream: true, stream_interval: 5 } },
    { name: 'two choices', path: CHAT, body: { ...said, n: 2, temperature: 1 } },
    { name: 'tokens counted', path: '/v1/messages/count_tokens', body: { messages: said.messages } },
    { name: 'tokens made', path: '/tokenize', body: { prompt } },
  ];
}
