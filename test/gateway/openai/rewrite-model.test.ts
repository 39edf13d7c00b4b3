import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nameModel, rewriteModel } from '../../../gateway/openai/rewrite-model.ts';

const rewrite = (text: string, model = 'new') => rewriteModel(Buffer.from(text), model)?.toString() ?? null;

describe('only the value of the top-level model changes', () => {
  test.each([
    ['{"model":"old"}', '{"model":"new"}'],
    [' \n{\t"model" :\r\n "old" , "x":1.0 }\n', ' \n{\t"model" :\r\n "new" , "x":1.0 }\n'],
    ['{"seed":9007199254740993,"model":"old","t":1e2}', '{"seed":9007199254740993,"model":"new","t":1e2}'],
    [String.raw`{"mod\u0065l":"old"}`, String.raw`{"mod\u0065l":"new"}`],
    [String.raw`{"model":"o\"l\\d\u0022"}`, '{"model":"new"}'],
    ['{"model":"first","model":"last"}', '{"model":"first","model":"new"}'],
    ['{"model":1,"model":"last"}', '{"model":1,"model":"new"}'],
    [
      '{"a":{"model":"inner"},"model":"old","b":[{"model":"x"},"model"]}',
      '{"a":{"model":"inner"},"model":"new","b":[{"model":"x"},"model"]}',
    ],
    ['{"a":"model","model":"old"}', '{"a":"model","model":"new"}'],
    ['{"a":"\\"model\\":\\"x\\"","model":"old"}', '{"a":"\\"model\\":\\"x\\"","model":"new"}'],
    ['{"model ":"a"," model":"b","Model":"c","model":"old"}', '{"model ":"a"," model":"b","Model":"c","model":"new"}'],
    ['{"x":"é漢","model":"ö"}', '{"x":"é漢","model":"new"}'],
  ])('%s', (before, after) => {
    expect(rewrite(before)).toBe(after);
  });

  test('a name with quotes, backslashes and letters beyond ASCII is written as JSON', () => {
    const name = 'a"b\\c\n模型';
    expect(JSON.parse(rewrite('{"model":"old"}', name)!)).toEqual({ model: name });
  });
});

test.each(['{}', '{"a":{"model":"x"}}', '["model","x"]', '{"a":"model"}', '{"model":null}'])('%s names no model', (text) => {
  expect(rewrite(text)).toBeNull();
});

// A document is put together from pieces whose places are known, so that every byte of the result can be foretold.
describe('for any document', () => {
  const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
  const modelKey = fc.constantFrom(
    '"model"',
    String.raw`"mod\u0065l"`,
    String.raw`"\u006dodel"`,
    String.raw`"\u006D\u006F\u0064\u0065\u006C"`,
  );
  const text = fc
    .oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constantFrom('model', '"model":"x"', '{"model":"y"}', '\\', '"'))
    .map((value) => JSON.stringify(value));
  const anyValue = fc.oneof(
    text,
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
    fc.constantFrom('{"model":"inner"}', '[{"model":"inner"},"model"]', '1.0', '-0', '9007199254740993', '1E+2'),
  );
  const otherKey = fc
    .oneof(fc.string(), fc.constantFrom('Model', 'models', 'mode', ' model', 'messages'))
    .filter((key) => key !== 'model' && key !== '__proto__')
    .map((key) => JSON.stringify(key));
  const entry = fc.oneof(
    { arbitrary: fc.tuple(otherKey, anyValue), weight: 4 },
    // Earlier ones of the name: the last counts.
    { arbitrary: fc.tuple(modelKey, anyValue), weight: 1 },
  );
  const document = fc.record({
    before: fc.array(entry, { maxLength: 6 }),
    key: modelKey,
    value: text,
    after: fc.array(fc.tuple(otherKey, anyValue), { maxLength: 6 }),
    spaces: fc.array(space, { minLength: 8, maxLength: 8 }),
  });

  test('the bytes before and after the value are the same, and so is all that they mean', () => {
    fc.assert(
      fc.property(document, fc.string({ unit: 'grapheme' }), ({ before, key, value, after, spaces }, name) => {
        const [s0, s1, s2, s3, s4, s5, s6, s7] = spaces;
        const write = ([k, v]: [string, string]) => `${s1}${k}${s2}:${s3}${v}${s4}`;
        const head = `${s0}{${before.map((each) => `${write(each)},`).join('')}${s5}${key}${s6}:${s7}`;
        const tail = `${s4}${after.map((each) => `,${write(each)}`).join('')}}${s0}`;
        const original = `${head}${value}${tail}`;
        const result = rewrite(original, name);
        expect(result).toBe(`${head}${JSON.stringify(name)}${tail}`);
        expect(JSON.parse(result!)).toEqual({ ...JSON.parse(original), model: JSON.parse(JSON.stringify(name)) });
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a body that names no model gets a name at its end', () => {
  test.each([
    ['{"a":1}', '{"a":1,"model":"m"}'],
    [' {"seed":9007199254740993, "t":1.0 }\n', ' {"seed":9007199254740993, "t":1.0 ,"model":"m"}\n'],
    ['{}', '{"model":"m"}'],
    ['{ \n}', '{ \n"model":"m"}'],
    ['{"model":null}', '{"model":null,"model":"m"}'],
  ])('%j', (before, after) => {
    expect(nameModel(Buffer.from(before), 'm').toString()).toBe(after);
    expect(JSON.parse(after)).toMatchObject({ model: 'm' });
  });
});
