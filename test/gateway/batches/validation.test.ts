import { describe, expect, test } from 'vitest';
import { LineCutter } from '../../../gateway/batches/line-cutter.ts';
import { type Found, Validation, type ValidationRules } from '../../../gateway/batches/validation.ts';

const CHAT = '/v1/chat/completions';
const RULES: ValidationRules = {
  endpoint: CHAT,
  models: new Map([
    ['m', 'm'],
    ['alias', 'm'],
    ['n', 'n'],
  ]),
  mostLines: 1_000,
  mostLineBytes: 10_000,
  mixesModels: true,
};

function validated(lines: readonly string[], rules: Partial<ValidationRules> = {}): { found: Found; validation: Validation } {
  const all = { ...RULES, ...rules };
  const [validation, cutter] = [new Validation(all), new LineCutter(all.mostLineBytes)];
  let goesOn = true;
  const take = (found: Iterable<Parameters<Validation['take']>[0]>): void => {
    for (const line of found) goesOn &&= validation.take(line);
  };
  take(cutter.cut(Buffer.from(lines.join('\n'))));
  take(cutter.end());
  return { found: validation.found(), validation };
}

const line = (fields: object = {}, body: object = {}): string =>
  JSON.stringify({ custom_id: 'a', method: 'POST', url: CHAT, body: { model: 'm', messages: [], ...body }, ...fields });
const without = (name: string): string => JSON.stringify({ ...(JSON.parse(line()) as object), [name]: undefined });

describe('each fault has its code, its field and its line', () => {
  test.each([
    ['{"custom_id":', 'invalid_json_line', null, 'This line is not parseable as valid JSON.'],
    ['[1]', 'invalid_request', null, 'Each line must be a JSON object.'],
    [without('custom_id'), 'missing_required_parameter', 'custom_id', "Missing required parameter: 'custom_id'."],
    [without('method'), 'missing_required_parameter', 'method', "Missing required parameter: 'method'."],
    [without('url'), 'missing_required_parameter', 'url', "Missing required parameter: 'url'."],
    [without('body'), 'missing_required_parameter', 'body', "Missing required parameter: 'body'."],
    [line({ custom_id: 7 }), 'invalid_type', 'custom_id', "Invalid type for 'custom_id': expected a string, but got an integer instead."],
    [line({ body: [] }), 'invalid_type', 'body', "Invalid type for 'body': expected an object, but got an array instead."],
    [line({ custom_id: 'é'.repeat(257) }), 'string_above_max_length', 'custom_id', /maximum length 512, but got a string with length 514/],
    [line({ method: 'GET' }), 'invalid_method', 'method', "The method of a request must be 'POST'."],
    [line({ url: '/v1/embeddings' }), 'invalid_url', 'url', 'The URL provided for this request does not match the batch endpoint.'],
    [line({}, { stream: true }), 'streaming_unsupported', 'body.stream', 'Chat Completions: Streaming is not supported in the Batch API.'],
    [line({}, { model: 'x' }), 'model_not_found', 'body.model', "The provided model 'x' is not supported by the Batch API."],
    [line({}, { model: null }), 'invalid_request', 'body.model', 'Model parameter is required.'],
    [line({}, { messages: null }), 'invalid_request', 'body.messages', 'Messages parameter is required.'],
    [line({}, { x: 'y'.repeat(10_000) }), 'request_too_large', null, 'This line is larger than 10000 bytes.'],
  ])('%.60s', (bad, code, param, message) => {
    const { errors } = validated(['', line({ custom_id: 'good' }), bad]).found;
    const text = typeof message === 'string' ? message : (expect.stringMatching(message) as string);
    expect(errors).toEqual([{ code, param, message: text, line: 3 }]);
  });

  test('bytes that are no UTF-8', () => {
    const validation = new Validation(RULES);
    validation.take({ number: 1, offset: 0, length: 1, bytes: Buffer.from([0x22, 0xff, 0x22]) });
    expect(validation.found().errors?.[0]?.code).toBe('invalid_json_line');
  });

  test('a custom_id of an earlier line', () => {
    const { errors } = validated([line(), line({ custom_id: 'b' }), line()]).found;
    expect(errors).toEqual([expect.objectContaining({ code: 'duplicate_custom_id', param: 'custom_id', line: 3 })]);
  });

  test('custom_ids that are half a letter each are not one', () => {
    const ids = ['\\ud800', '\\udfff', '\ufffd'].map((id) => line().replace('"a"', `"${id}"`));
    expect(validated(ids).found.errors).toBeNull();
    expect(validated([...ids, ids[1]!]).found.errors).toMatchObject([{ code: 'duplicate_custom_id', line: 4 }]);
  });

  test('several models, where one is allowed', () => {
    const lines = [line(), line({ custom_id: 'b' }, { model: 'alias' }), line({ custom_id: 'c' }, { model: 'n' })];
    expect(validated(lines).found).toMatchObject({ errors: null, total: 3, model: null });
    expect(validated(lines, { mixesModels: false }).found.errors).toEqual([
      expect.objectContaining({ code: 'model_mismatch', param: 'body.model', line: 3 }),
    ]);
    expect(validated(lines.slice(0, 2), { mixesModels: false }).found).toMatchObject({ errors: null, model: 'm' });
  });

  test('no lines, and too many', () => {
    expect(validated(['', ' ']).found.errors).toEqual([expect.objectContaining({ code: 'empty_file', param: null, line: null })]);
    const lines = Array.from({ length: 4 }, (_, at) => line({ custom_id: `${at}` }));
    expect(validated(lines, { mostLines: 3 }).found.errors).toEqual([
      expect.objectContaining({ code: 'too_many_tasks', param: null, line: null }),
    ]);
    expect(validated(lines, { mostLines: 4 }).found.errors).toBeNull();
  });

  test('they come in the order of the lines, a hundred at most', () => {
    expect(validated(['x', line(), line({ url: '/' }), 'y']).found.errors?.map(({ line: at }) => at)).toEqual([1, 3, 4]);
    expect(validated(Array.from({ length: 150 }, () => 'x')).found.errors).toHaveLength(100);
  });
});

test.each([
  ['/v1/completions', '/v1/completions', { prompt: 'x' }],
  ['/v1/embeddings', '/v1/embeddings', { input: 'x' }],
  ['/v1/responses', '/v1/responses', { input: 'x' }],
  ['/v1/score', '/score', { text_1: 'x', text_2: 'y' }],
  ['/v1/rerank', '/v2/rerank', { query: 'x', documents: [] }],
])('lines for %s, as vllm run-batch writes them, are good', (endpoint, url, body) => {
  expect(validated([line({ url, body: { model: 'm', ...body } })], { endpoint }).found.errors).toBeNull();
});

test('lines run by model, then by what they begin with, then as they stand there', () => {
  const chat = (model: string, system: string, tools?: unknown[]): object => ({
    model,
    tools,
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: String(Math.random()) },
    ],
  });
  const bodies = [
    chat('n', 's'),
    chat('m', 'a'),
    chat('m', 'b'),
    chat('n', 't'),
    chat('m', 'a'),
    chat('m', 'a', [{}]),
    chat('n', 's'),
    chat('m', 'b'),
  ];
  const lines = bodies.map((body, at) => line({ custom_id: `${at}`, body }));
  const { validation } = validated(lines);
  expect(validation.rows(0, 100).map(({ number }) => number)).toEqual([1, 7, 4, 2, 5, 3, 8, 6]);
  expect(validation.rows(0, 100).map(({ rank }) => rank)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(validation.rows(6, 100).map(({ number, rank, model }) => [number, rank, model])).toEqual([
    [8, 6, 'm'],
    [6, 7, 'm'],
  ]);
  const text = Buffer.from(lines.join('\n'));
  for (const { number, offset, length } of validation.rows(0, 100))
    expect(text.toString('utf8', offset, offset + length)).toBe(lines[number - 1]);
});
