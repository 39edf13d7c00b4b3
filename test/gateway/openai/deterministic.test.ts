import { expect, test } from 'vitest';
import { isDeterministic } from '../../../gateway/openai/deterministic.ts';
import type { JsonObject } from '../../../gateway/openai/json-body.ts';

const CHAT = '/v1/chat/completions';
const hi = { messages: [{ role: 'user', content: 'hi' }] };
const withPart = (part: object): JsonObject => ({
  temperature: 0,
  messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, part] }],
});

const table: [boolean, string, string, JsonObject][] = [
  [true, 'a temperature of 0', CHAT, { ...hi, temperature: 0 }],
  [true, 'a temperature of -0', CHAT, { ...hi, temperature: -0 }],
  [true, 'a seed', CHAT, { ...hi, temperature: 1, seed: 7 }],
  [true, 'several choices', CHAT, { ...hi, temperature: 0, n: 3 }],
  [
    true,
    'tools',
    CHAT,
    {
      ...hi,
      temperature: 0,
      tools: [{ type: 'function', function: { name: 'f', parameters: { properties: { source: { type: 'string' } } } } }],
    },
  ],
  [true, 'a picture in the request', CHAT, withPart({ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } })],
  [true, 'Anthropic’s messages', '/v1/messages', { ...hi, temperature: 0, system: [{ type: 'text', text: 'a' }] }],
  [
    true,
    'a picture in Anthropic’s messages',
    '/v1/messages',
    withPart({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA==' } }),
  ],
  [true, 'a completion', '/v1/completions', { prompt: ['a', 'b'], temperature: 0 }],
  [true, 'token ids', '/v1/completions', { prompt: [[1, 2], [3]], temperature: 0 }],
  [true, 'an embedding', '/v1/embeddings', { input: 'a' }],
  [true, 'a rank', '/v1/rerank', { query: 'a', documents: ['b'] }],
  [
    true,
    'a response that is not kept',
    '/v1/responses',
    { input: 'a', temperature: 0, store: false, tools: [{ type: 'function', name: 'f' }] },
  ],
  [false, 'nothing said of chance: the model’s own setting counts', CHAT, hi],
  [false, 'a temperature', CHAT, { ...hi, temperature: 0.1 }],
  [false, 'a seed that is none', CHAT, { ...hi, seed: 1.5 }],
  [false, 'a seed that JavaScript cannot hold', CHAT, { ...hi, seed: 2 ** 60 }],
  [false, 'a name of its own', CHAT, { ...hi, temperature: 0, request_id: 'a' }],
  [false, 'another engine’s cache', CHAT, { ...hi, temperature: 0, kv_transfer_params: {} }],
  [false, 'a picture from elsewhere', CHAT, withPart({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } })],
  [false, 'the same, as vLLM takes it too', CHAT, withPart({ image_url: 'https://example.com/a.png' })],
  [
    false,
    'the same after words without a wrapping',
    CHAT,
    {
      temperature: 0,
      messages: [{ role: 'user', content: ['what is it', { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }],
    },
  ],
  [false, 'a film', CHAT, withPart({ type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } })],
  [false, 'a picture that the engine knows by a name', CHAT, withPart({ type: 'image_url', image_url: null, uuid: 'a' })],
  [
    false,
    'Anthropic’s picture from elsewhere',
    '/v1/messages',
    withPart({ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }),
  ],
  [
    false,
    'a picture among documents',
    '/v1/rerank',
    { query: 'a', documents: [{ content: [{ type: 'image_url', image_url: { url: 'https://a/b' } }] }] },
  ],
  [false, 'a response that is kept', '/v1/responses', { input: 'a', temperature: 0 }],
  [false, 'a response that goes on', '/v1/responses', { input: 'a', temperature: 0, store: false, previous_response_id: 'resp_1' }],
  [false, 'a response in the background', '/v1/responses', { input: 'a', temperature: 0, store: false, background: true }],
  [false, 'a tool that does something elsewhere', '/v1/responses', { input: 'a', temperature: 0, store: false, tools: [{ type: 'mcp' }] }],
  [false, 'a stored prompt', '/v1/responses', { temperature: 0, store: false, prompt: { id: 'p' } }],
  [false, 'a path that makes nothing', '/tokenize', { prompt: 'a', temperature: 0 }],
];

test.each(table)('%s: %s', (expected, _, path, value) => {
  expect(isDeterministic(value, path)).toBe(expected);
});
