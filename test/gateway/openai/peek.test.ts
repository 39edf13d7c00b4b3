import { describe, expect, test } from 'vitest';
import { parseJsonBody } from '../../../gateway/openai/json-body.ts';
import { peek } from '../../../gateway/openai/peek.ts';
import { RELAYED_BY_PATH } from '../../../gateway/http/routes.ts';
import { refused } from './refused.ts';

const look = (value: object, path = '/v1/completions') =>
  peek(parseJsonBody(Buffer.from(JSON.stringify(value))), RELAYED_BY_PATH.get(path)!);

describe('what is read of a request', () => {
  test('nothing, where there is nothing', () => {
    expect(look({})).toEqual({
      model: null,
      stream: false,
      promptChars: 0,
      promptHead: '',
      maxTokens: null,
      choices: 1,
      promptLogprobs: null,
      streamInterval: 1,
      hasTime: false,
      previous: null,
      decidingChars: null,
      promptCacheKey: null,
      user: null,
      enginePriority: null,
    });
    expect(
      look({ model: null, stream: null, n: null, max_tokens: null, temperature: null, stop: null, tools: null, messages: null }),
    ).toMatchObject({
      model: null,
      stream: false,
    });
  });

  test.each([
    [undefined, null],
    ['thread-1', 'thread-1'],
    ['mit Umlaut: ä', 'mit Umlaut: ä'],
    ['x'.repeat(256), 'x'.repeat(256)],
    ['x'.repeat(257), null],
    ['', null],
    [7, null],
    [['a'], null],
  ])('of a name of a conversation %j: %j', (said, read) => {
    expect(look({ prompt_cache_key: said, user: said })).toMatchObject({ promptCacheKey: read, user: read });
  });

  test.each([
    [undefined, null],
    [-5, -5],
    [1.5, 1.5],
    ['3', 3],
    ['-1_0', -10],
    [true, 1],
    ['soon', NaN],
    [null, NaN],
    [[1], NaN],
  ])('of the engine’s priority %j: %j', (said, read) => {
    expect(look({ priority: said }).enginePriority).toBe(read);
  });

  test('a chat', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
    ];
    expect(
      look(
        { model: 'm', stream: true, stream_options: { include_usage: true }, n: 2, max_completion_tokens: 9, messages },
        '/v1/chat/completions',
      ),
    ).toMatchObject({
      model: 'm',
      stream: true,
      maxTokens: 9,
      choices: 2,
      promptHead: 'Be brief.',
    });
  });

  test.each([
    ['/v1/chat/completions', 1],
    ['/v1/completions', 2],
    ['/v1/messages', 2],
    ['/v1/responses', 3],
  ])('the limit that %s reads', (path, maxTokens) => {
    expect(look({ max_completion_tokens: 1, max_tokens: 2, max_output_tokens: 3 }, path).maxTokens).toBe(maxTokens);
  });

  test.each([
    [{ prompt: 'x' }, 1],
    [{ prompt: ['x', 'y'], n: 3 }, 6],
    [{ prompt: [1, 2, 3] }, 1],
    [{ prompt: [[1], [2]] }, 2],
    [{ prompt: [] }, 1],
  ])('the completions of %j', (fields, choices) => {
    expect(look(fields).choices).toBe(choices);
  });

  test.each(['/v1/embeddings', '/pooling', '/classify'])('how many inputs %s has', (path) => {
    expect(look({ input: ['a', 'b', 'c'] }, path).choices).toBe(3);
  });

  test.each(['/v1/chat/completions', '/v1/responses', '/v1/messages', '/tokenize'])(
    '%s has one, whatever fields it does not read say',
    (path) => {
      const strangers = { prompt: Array(1_000).fill('x'), input: Array(1_000).fill('x') };
      expect(look({ messages: [], ...strangers }, path).choices).toBe(1);
    },
  );

  test.each([
    ['/v1/chat/completions', 3],
    ['/v1/completions', 3],
    ['/v1/messages', 1],
    ['/v1/responses', 1],
    ['/v1/embeddings', 1],
  ])('an n of 3 on %s asks for %i', (path, choices) => {
    expect(look({ n: 3 }, path).choices).toBe(choices);
  });

  test.each([
    [{ prompt: 'x', prompt_logprobs: 0 }, 'prompt_logprobs'],
    [{ prompt: 'x', echo: true, logprobs: 0 }, 'logprobs'],
    [{ messages: [], prompt_logprobs: 1, echo: true }, 'prompt_logprobs'],
    [{ messages: [], echo: true }, 'echo'],
  ])('what asks for log-probabilities of the prompt in %j', (fields, field) => {
    expect(look(fields).promptLogprobs).toBe(field);
  });

  test.each([
    { prompt: 'x', prompt_logprobs: null, echo: null, logprobs: 2 },
    { prompt: 'x', echo: true },
    { prompt: 'x', echo: true, logprobs: null },
    { prompt: 'x', echo: false, logprobs: 2 },
    { messages: [], echo: true, top_logprobs: null },
    { messages: [], logprobs: true, top_logprobs: 2 },
    { messages: [{ role: 'user', content: 'x', prompt_logprobs: 1, echo: true }] },
  ])('that %j asks for none', (fields) => {
    expect(look(fields).promptLogprobs).toBeNull();
  });

  test('the beginning of the text, which requests may share', () => {
    expect(look({ prompt: 'p'.repeat(1_000) }).promptHead).toBe('p'.repeat(256));
    expect(look({ input: 'i' }).promptHead).toBe('i');
    expect(look({ messages: [{ content: 'a'.repeat(200) }, { content: 'b'.repeat(200) }] }).promptHead).toBe(
      'a'.repeat(200) + 'b'.repeat(56),
    );
    expect(look({ messages: [null, 1, { content: 2 }, { content: 'x' }] }).promptHead).toBe('x');
  });
});

describe('what is refused, by the name of the field and without its text', () => {
  test('input', () => {
    const { details, message } = refused('invalid_value', () => look({ input: Array(2_049).fill('secret') }, '/v1/embeddings'));
    expect(details.param).toBe('input');
    expect(message).not.toContain('secret');
  });

  test.each<[string, object]>([
    ['model', { model: 1 }],
    ['model', { model: 'm'.repeat(513) }],
    ['stream', { stream: 'secret' }],
    ['stream_options', { stream_options: {} }],
    ['n', { n: 129 }],
    ['n', { n: 0 }],
    ['n', { n: 'secret' }],
    ['best_of', { best_of: 1_000 }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_tokens', { max_tokens: { secret: 1 } }],
    ['max_completion_tokens', { max_completion_tokens: ['secret'] }],
    ['top_logprobs', { top_logprobs: 1e6 }],
    ['prompt_logprobs', { prompt_logprobs: -2 }],
    ['logprobs', { logprobs: 1e6 }],
    ['temperature', { temperature: 'secret' }],
    ['temperature', { temperature: -0.1 }],
    ['top_p', { top_p: [] }],
    ['messages', { messages: Array(2_049).fill({}) }],
    ['tools', { tools: Array(513).fill({}) }],
    ['documents', { documents: Array(10_001).fill('x') }],
    ['text_2', { text_2: Array(10_001).fill('x') }],
    ['stop', { stop: Array(17).fill('secret') }],
    ['prompt', { prompt: Array(1_025).fill('secret') }],
  ])('%s', (param, fields) => {
    const { details, message } = refused('invalid_value', () => look(fields));
    expect(details.param).toBe(param);
    expect(message).toContain(`'${param}'`);
    expect(message).not.toContain('secret');
  });

  test('a completion may want nothing but its own prompt back, and a chat may not', () => {
    expect(look({ prompt: 'a', echo: true, max_tokens: 0, logprobs: 1 }).maxTokens).toBe(0);
    refused('invalid_value', () => look({ prompt: 'a', max_tokens: 0 }));
    refused('invalid_value', () => look({ messages: [], echo: true, max_tokens: 0 }, '/v1/chat/completions'));
  });

  test('the edges are accepted', () => {
    const fields = { n: 128, best_of: 1, max_tokens: 1, top_logprobs: 262_144, prompt_logprobs: -1, logprobs: 0, temperature: 0, top_p: 1 };
    expect(() => look(fields)).not.toThrow();
    expect(() => look({ logprobs: true, model: 'm'.repeat(512), stop: 'x'.repeat(1_000), messages: {}, tools: 'x' })).not.toThrow();
  });
});
