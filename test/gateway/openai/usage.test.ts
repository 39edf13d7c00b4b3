import { describe, expect, test } from 'vitest';
import { findFinishReason, findUsage } from '../../../gateway/openai/usage.ts';
import { absent, present, recordings } from './recordings.ts';

const usage = (text: string) => findUsage(Buffer.from(text));
const finish = (text: string) => findFinishReason(Buffer.from(text));

describe('usage', () => {
  test('is read in the words of each API', () => {
    expect(usage('{"usage":{"prompt_tokens":17,"total_tokens":20,"completion_tokens":3}}')).toEqual({
      inputTokens: 17,
      outputTokens: 3,
      cachedTokens: null,
    });
    expect(usage('{"usage":{"input_tokens":5,"output_tokens":6,"cache_creation_input_tokens":2,"cache_read_input_tokens":4}}')).toEqual({
      inputTokens: 11,
      outputTokens: 6,
      cachedTokens: 4,
    });
    expect(usage('{"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens":1}}')).toEqual({
      inputTokens: 9,
      outputTokens: 1,
      cachedTokens: 8,
    });
    expect(usage('{"usage":{"prompt_tokens":2,"total_tokens":2}}')).toMatchObject({ inputTokens: 2, outputTokens: null });
  });

  test('is the last one of a stream', () => {
    expect(
      usage('data: {"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: {"usage":{"prompt_tokens":1,"completion_tokens":9}}\n\n'),
    ).toMatchObject({
      outputTokens: 9,
    });
  });

  test('is not read from a text that speaks of it', () => {
    expect(usage(JSON.stringify({ content: '"usage":{"prompt_tokens":999}' }))).toBeNull();
    expect(
      usage(JSON.stringify({ usage: { prompt_tokens: 1, completion_tokens: 2 }, content: '"usage":{"prompt_tokens":999}' })),
    ).toMatchObject({
      inputTokens: 1,
    });
  });

  test('is null where there is none', () => {
    for (const text of ['', '{"usage":null}', '{"usage"', 'usage']) expect(usage(text)).toBeNull();
  });
});

describe('the finish reason of a whole answer', () => {
  test('is the first, or abort if any was given up', () => {
    expect(finish('{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}')).toBe('stop');
    expect(finish('{"choices":[{"finish_reason":"stop"},{"finish_reason":"abort"}]}')).toBe('abort');
    expect(finish('{"choices":[{"finish_reason":null}]}')).toBeNull();
    expect(finish('{}')).toBeNull();
    expect(finish(JSON.stringify({ content: '"finish_reason":"abort"' }))).toBeNull();
  });
});

describe.skipIf(!present)(`recorded answers${absent}`, () => {
  const withUsage = recordings(/^(?:chat|completions|engine)/).filter(({ body }) => /"usage":\{/.test(body.toString()));

  test('there are some', () => {
    expect(withUsage.length).toBeGreaterThan(4);
  });

  test.each(withUsage)('$name', ({ body }) => {
    const objects = [...body.toString().matchAll(/(?:^|data: )(\{.*\})(?:\n|$)/g)].map((match) => JSON.parse(match[1]!));
    const last = objects.findLast((object) => object.usage)!;
    expect(findUsage(body)).toEqual({
      inputTokens: last.usage.prompt_tokens ?? null,
      outputTokens: last.usage.completion_tokens ?? null,
      cachedTokens: last.usage.prompt_tokens_details?.cached_tokens ?? null,
    });
  });
});
