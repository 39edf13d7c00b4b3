import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical, silentChars } from '../../../gateway/openai/canonical.ts';
import { charsIn, type JsonObject } from '../../../gateway/openai/json-body.ts';

const CHAT = '/v1/chat/completions';
const of = (text: string, path = CHAT): string | null => canonical(JSON.parse(text) as JsonObject, path);

describe('two requests ask the same', () => {
  test.each([
    ['{"a":1,"b":2}', '{ "b": 2.0, "a": 1e0 }'],
    ['{"a":"\\u00e9"}', '{"a":"é"}'],
    ['{"a":{"c":1,"b":[1,2]}}', '{"a":{"b":[1,2],"c":1}}'],
    ['{"a":1,"seed":null}', '{"a":1}'],
    ['{"a":1,"user":"ada","metadata":{"x":["y"]},"model":"m"}', '{"a":1,"model":"alias","priority":3,"prompt_cache_key":"k"}'],
    ['{"stream":true,"stream_options":null}', '{"stream":true,"stream_options":{"include_usage":false}}'],
    ['{"temperature":-0}', '{"temperature":0}'],
  ])('%s and %s', (one, other) => {
    expect(of(one)).toBe(of(other));
  });
});

describe('two requests ask for something else', () => {
  test.each([
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":null,"b":{"c":null}}', '{"b":{}}'],
    ['{"a":"x y"}', '{"a":"x  y"}'],
    ['{"stream":true}', '{"stream":true,"stream_options":{"include_usage":true}}'],
    ['{"a":"\\"],\\"b"}', '{"a":"","b":""}'],
    ['{"a":{"user":"x"}}', '{"a":{"user":"y"}}'],
    ['{"a":"\\u00e9"}', '{"a":"e\\u0301"}'],
  ])('%s and %s', (one, other) => {
    expect(of(one)).not.toBe(of(other));
  });

  test('where the answer repeats what it was asked, that counts too', () => {
    expect(of('{"input":"a","user":"ada"}', '/v1/responses')).not.toBe(of('{"input":"a","user":"bob"}', '/v1/responses'));
    expect(of('{"input":"a","metadata":{"a":"b"}}', '/v1/responses')).not.toBe(of('{"input":"a"}', '/v1/responses'));
    expect(of('{"input":"a","model":"alias"}', '/v1/responses')).toBe(of('{"input":"a"}', '/v1/responses'));
  });

  test('where a number is larger than JavaScript can tell from its neighbours, nothing is said', () => {
    expect(of('{"seed":9007199254740993}')).toBeNull();
    expect(of('{"a":[{"b":-9007199254740993}]}')).toBeNull();
  });
});

test('whatever is asked, the order of fields and white space say nothing, and any other value does', () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 });
  fc.assert(
    fc.property(json, json, (one, other) => {
      const reordered = Object.fromEntries(Object.entries(one).toReversed());
      expect(canonical(JSON.parse(JSON.stringify(reordered, null, 3)) as JsonObject, CHAT)).toBe(canonical(one as JsonObject, CHAT));
      const [a, b] = [canonical(one as JsonObject, CHAT), canonical(other as JsonObject, CHAT)];
      if (a !== null && a === b) expect(shown(one)).toEqual(shown(other));
    }),
    { numRuns: 500 },
  );
});

const SILENT = [
  'model',
  'user',
  'metadata',
  'stream_options',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'priority',
];

/** What of it may differ between requests that ask the same is left out. */
function shown(value: Record<string, unknown>): unknown {
  const left = Object.entries(value).filter(([name, item]) => item !== null && !SILENT.includes(name));
  return JSON.parse(
    JSON.stringify(Object.fromEntries(left.map(([name, item]) => [name, item === 0 ? 0 : item]))).replaceAll(
      /(?<=[[:,])-0(?=[\],}])/g,
      '0',
    ),
  );
}

test('characters that decide nothing are counted as all are', () => {
  const deciding = { messages: [{ role: 'user', content: 'hi' }] };
  const silent = { user: 'ada', metadata: { a: 'bc', d: { e: ['f', 1] } }, model: 'm' };
  expect(charsIn({ ...deciding, ...silent }) - silentChars({ ...deciding, ...silent } as JsonObject, CHAT)).toBe(charsIn(deciding));
});

test('what words of a prompt count as is asked of those alone', () => {
  const asked: string[] = [];
  const value = {
    messages: [
      { role: 'system', content: 'one' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'two' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
        ],
        name: 'ada',
      },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', function: { name: 'f', arguments: '{"a":1}' } }] },
    ],
    prompt: ['three'],
    input: 'four',
    stop: ['five'],
    tools: [{ type: 'function', function: { name: 'f', description: 'six', parameters: { content: 'seven' } } }],
    cache_salt: 'eight',
  };
  canonical(value, CHAT, (text) => {
    asked.push(text);
    return text;
  });
  expect(asked.toSorted()).toEqual(['four', 'one', 'three', 'two']);
});
