import { describe, expect, test } from 'vitest';
import { DEFAULT_VERSION } from '../../../../scripts/vllm/environment.ts';
import { checkLater, checkShape } from '../../../../supervisor/sim/body/check.ts';
import { problemText, rawProblemText } from '../../../../supervisor/sim/body/problem.ts';
import { type BodyName, bodyShape, type Shape, SHAPES_VERSION } from '../../../../supervisor/sim/body/shapes.ts';

const MESSAGES = [{ role: 'user', content: 'hello' }];

function check(name: BodyName, body: unknown) {
  return checkShape(bodyShape(name), body, ['body']);
}

function typesOf(name: BodyName, body: unknown): string[] {
  return check(name, body).problems.map(({ type, loc }) => `${type} ${loc.join('.')}`);
}

describe("vLLM's models of a body", () => {
  test('are of the version that is installed and tested', () => {
    expect(SHAPES_VERSION).toBe(DEFAULT_VERSION);
  });

  // Of every kind one; what 0.32.0 answered to more is under test/vllm/recorded.
  test.each<[BodyName, unknown, string[]]>([
    ['chat', { messages: MESSAGES }, []],
    ['chat', { messages: MESSAGES, anything: { goes: 1 } }, []],
    ['chat', {}, ['missing body.messages']],
    [
      'chat',
      { messages: MESSAGES, n: 1.5, stream: 3, temperature: 'warm' },
      ['int_from_float body.n', 'bool_parsing body.stream', 'float_parsing body.temperature'],
    ],
    ['chat', { messages: MESSAGES, logit_bias: { 5: 'much' } }, ['float_parsing body.logit_bias.5']],
    ['chat', { messages: MESSAGES, stop: ['a', 'b', 'c', 'd', 'e'] }, ['string_type body.stop', 'too_long body.stop']],
    [
      'chat',
      { messages: MESSAGES, tool_choice: { type: 'function' } },
      [
        'literal_error body.tool_choice',
        'literal_error body.tool_choice',
        'literal_error body.tool_choice',
        'missing body.tool_choice.function',
      ],
    ],
    ['message', { model: 'm', max_tokens: 1, messages: MESSAGES, thinking: { type: 'maybe' } }, ['union_tag_invalid body.thinking']],
    ['message', { model: 'm', max_tokens: 1, messages: MESSAGES, thinking: {} }, ['union_tag_not_found body.thinking']],
    [
      'completion',
      { prompt: [1, -1] },
      [
        'greater_than_equal body.prompt.1',
        'list_type body.prompt.0',
        'list_type body.prompt.1',
        'string_type body.prompt',
        'string_type body.prompt.0',
        'string_type body.prompt.1',
      ],
    ],
    ['detokenize', { tokens: 'abc' }, ['list_type body.tokens']],
    ['tokenize', [], ['model_attributes_type body', 'model_attributes_type body']],
  ])('%s %j: %j', (name, body, problems) => {
    expect(typesOf(name, body)).toEqual(problems);
  });

  test('a seed may have 64 bits, to the last of them', () => {
    expect(typesOf('chat', { messages: MESSAGES, seed: 2n ** 63n - 1n })).toEqual([]);
    expect(typesOf('chat', { messages: MESSAGES, seed: 2n ** 63n })).toEqual(['less_than_equal body.seed']);
  });

  test('texts that mean numbers and truth values are read as such', () => {
    const { value } = check('chat', { messages: MESSAGES, n: '2', stream: 'yes', temperature: '0.5', top_k: 3.0 });
    expect(value).toMatchObject({ n: 2, stream: true, temperature: 0.5, top_k: 3 });
  });

  test('of two kinds of message that fit, the one is taken that knows more of it', () => {
    const video = [{ role: 'user', content: [{ type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } }] }];
    const { problems, later } = check('chat', { messages: video });
    expect(problems).toEqual([]);
    expect(later.flatMap(checkLater)).toEqual([]);
  });

  test('the parts of a message are looked at last, and told of in other words', () => {
    const { problems, later } = check('chat', { messages: [{ role: 'user', content: [{ type: 'smell' }] }] });
    expect(problems).toEqual([]);
    const found = later.map(checkLater).find((list) => list.length > 0) ?? [];
    expect(rawProblemText('ValidatorIterator', found)).toContain(
      "0.ChatCompletionContentPartTextParam.text\n  Field required [type=missing, input_value={'type': 'smell'}, input_type=dict]",
    );
  });

  test('ten problems are told, the rest is counted, and long values are cut', () => {
    const problem = { type: 'missing', loc: ['body', 'x'], msg: 'Field required', input: 'y'.repeat(500) };
    const text = problemText(Array.from({ length: 12 }, () => problem));
    expect(text.split('\n')).toHaveLength(12);
    expect(text.startsWith('12 validation errors:\n')).toBe(true);
    expect(text.endsWith('...and 2 more errors')).toBe(true);
    expect(text).toContain(`'${'y'.repeat(200)}...[truncated]'`);
  });

  test.each<[Shape, unknown, string]>([
    [{ list: 'str', min_length: 1 }, [], 'List should have at least 1 item after validation, not 0'],
    [{ str: { min_length: 2 } }, 'a', 'String should have at least 2 characters'],
    [{ model: { a: 'any' }, closed: true }, { a: 1, b: 2 }, 'Extra inputs are not permitted'],
    [{ enum: ['START', 'END'] }, 'MIDDLE', "Input should be 'START' or 'END'"],
    [{ float: { ge: 0, lt: 1 } }, 1, 'Input should be less than 1'],
    [{ instance: 'Sequence' }, 'text', "'str' instances are not allowed as a Sequence value"],
    ['none', 0, 'Input should be None'],
  ])('%j says of %j: %s', (shape, value, words) => {
    expect(checkShape(shape, value, []).problems.map(({ msg }) => msg)).toEqual([words]);
  });
});
