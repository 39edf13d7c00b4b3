import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lacksModel as lacks } from '../../../gateway/engines/lacks-model.ts';

const lacksModel = (body: string, asked: string): boolean => lacks(404, Buffer.from(body), asked, false);
const error = (message: string, more: object = {}): string => JSON.stringify({ error: { message, ...more } });
const vllm = (message: string, param: string | null = 'model'): string => error(message, { type: 'NotFoundError', param, code: 404 });
const openai = (message: string, param: string | null = null): string =>
  error(message, { type: 'invalid_request_error', param, code: 'model_not_found' });

const RECORDED = new URL('../../vllm/recorded/0.32.0/plain.json', import.meta.url);

describe('an engine says that it has not the model that it was asked for', () => {
  test.each([
    ['vLLM', vllm('The model `m` does not exist.')],
    ['vLLM, with advice', vllm('The model `m` does not exist. Valid aliases: tiny.')],
    [
      'vLLM, on Anthropic’s path',
      JSON.stringify({ type: 'error', error: { type: 'NotFoundError', message: 'The model `m` does not exist.' } }),
    ],
    ['fields at the top', JSON.stringify({ object: 'error', message: 'The model `m` does not exist.', type: 'NotFoundError', code: 404 })],
    ['Ollama', error('model "m" not found, try pulling it first', { type: 'not_found_error', param: null, code: null })],
    ['OpenAI', openai('The model `m` does not exist or you do not have access to it.')],
    ['in words of its own, with the code', openai('no such model m')],
    ['at the end of a sentence', openai('There is no m.')],
  ])('%s', (_, body) => {
    expect(lacksModel(body, 'm')).toBe(true);
  });

  test.skipIf(!existsSync(RECORDED))('as a vLLM was recorded', () => {
    const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Record<string, { body: { json: unknown } }>;
    for (const name of ['completion-e-model', 'message-e-model']) {
      expect(lacksModel(JSON.stringify(recorded[name]!.body.json), 'nope')).toBe(true);
      expect(lacksModel(JSON.stringify(recorded[name]!.body.json), 'tiny')).toBe(false);
    }
  });

  test('whatever is in the name', () => {
    for (const name of ['org/model-7b:v1.5', 'a.b', 'a b', '$&(.*)', '日本']) {
      expect(lacksModel(vllm(`The model \`${name}\` does not exist.`), name)).toBe(true);
      expect(lacksModel(openai(`no such model ${name}.`), name)).toBe(true);
    }
  });
});

describe('and nothing else is taken for that', () => {
  test.each([
    ['a path that it has not', '{"detail":"Not Found"}'],
    ['a path that it has not, in an object', error('Not Found', { type: 'NotFoundError', code: 404 })],
    ['another model', vllm('The model `n` does not exist.')],
    ['a longer name', vllm('The model `m-lora` does not exist.')],
    ['a longer name, with the code', openai('no such model m-lora')],
    ['a version of it', openai('no such model m.5')],
    ['a name that ends so', openai('no such model org/m')],
    ['a model that a tool names', openai('The model `m` does not exist.', 'tools')],
    ['an answer that it has not kept', vllm("Response with id 'm' not found.", 'response_id')],
    ['an answer of a name that says so', vllm("Response with id 'The model `m` does not exist.' not found.", null)],
    ['what the model cannot do', vllm('The model m does not support Embeddings API')],
    ['words without a type', error('The model `m` does not exist.')],
    ['a page', '<html>The model `m` does not exist.</html>'],
    ['nothing', ''],
  ])('%s', (_, body) => {
    expect(lacksModel(body, 'm')).toBe(false);
  });

  test('by any other status, but for those of a gateway', () => {
    const body = Buffer.from(vllm('The model `m` does not exist.'));
    for (const status of [200, 400, 403, 429, 500, 502, 503]) expect(lacks(status, body, 'm', true)).toBe(false);
    const refusal = (code: string): Buffer => Buffer.from(error('x', { type: 'service_unavailable_error', param: null, code }));
    expect(['no_worker', 'server_is_overloaded', 'model_loading'].map((code) => lacks(503, refusal(code), 'm', true))).toEqual([
      true,
      false,
      false,
    ]);
    expect(lacks(500, refusal('no_worker'), 'm', true)).toBe(false);
    expect(lacks(508, refusal('loop_detected'), 'm', true)).toBe(true);
    // Whoever is none may mean something else.
    expect([lacks(508, refusal('x'), 'm', false), lacks(503, refusal('no_worker'), 'm', false)]).toEqual([false, false]);
  });
});
