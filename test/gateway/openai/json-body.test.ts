import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkShape,
  MAX_JSON_CONTAINERS,
  MAX_JSON_ITEMS,
  MAX_JSON_KEYS,
  MAX_TOKEN_ITEMS,
  parseJsonBody,
  stringEnd,
} from '../../../gateway/openai/json-body.ts';
import { refused } from './refused.ts';

const parse = (text: string) => parseJsonBody(Buffer.from(text));

test('any object comes back as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
      const text = JSON.stringify(value);
      expect(parse(text).value).toEqual(JSON.parse(text));
    }),
  );
});

test('keys named __proto__ stay keys, and change no prototype', () => {
  const { value } = parse('{"__proto__":{"stream":true},"a":{"__proto__":{"b":1}}}');
  expect(Object.keys(value)).toEqual(['__proto__', 'a']);
  expect(value['stream']).toBeUndefined();
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

describe('the size of the text', () => {
  test.each([
    ['{"prompt":"abcd"}', 4],
    ['{"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"yes"}]}', 4 + 5 + 9 + 3],
    ['{"prompt":[1,2,3]}', 12],
    ['{"prompt":[[1,2],[3]]}', 12],
    ['{"input":["ab","c"]}', 3],
    ['{"seed":123456,"stream":true,"x":null}', 0],
    ['{}', 0],
  ])('of %s is %i', (text, chars) => {
    expect(parse(text).textChars).toBe(chars);
  });

  test('does not count inline media', () => {
    const url = `data:image/png;base64,${'QUJD'.repeat(1_000)}`;
    expect(parse(JSON.stringify({ content: [{ image_url: { url } }, { text: 'abc' }] })).textChars).toBe(3);
  });
});

describe('what is refused', () => {
  test('text that is not JSON, with the place and none of the text', () => {
    const { message } = refused('invalid_json', () => parse('{"prompt":"secret words",}'));
    expect(message).toMatch(/at character 25/);
    expect(message).not.toContain('secret');
    expect(refused('invalid_json', () => parse('secret')).message).not.toContain('secret');
    refused('invalid_json', () => parse(''));
    refused('invalid_json', () => parse('\ufeff'));
  });

  test('roots that are no object', () => {
    expect(refused('invalid_type', () => parse('null')).message).toContain('null');
    expect(refused('invalid_type', () => parse('[]')).message).toContain('an array');
    expect(refused('invalid_type', () => parse('"x"')).message).toContain('a string');
    expect(refused('invalid_type', () => parse('1')).message).toContain('a number');
  });

  test('bytes that are not UTF-8', () => {
    refused('invalid_utf8', () => parseJsonBody(Buffer.from('{"a":"\xff"}', 'latin1')));
  });

  test('numbers that no reader can hold, by the name of their field', () => {
    expect(refused('invalid_value', () => parse('{"a":{"temperature":1e400}}')).details.param).toBe('temperature');
    refused('invalid_value', () => parse('{"a":[-1e999]}'));
  });

  test('more than 64 levels and more than 10,000 keys, in small bodies and large ones', () => {
    const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    const padded = (text: string) => `{"pad":"${'x'.repeat(70_000)}","v":${text}}`;
    expect(() => parse(nested(64))).not.toThrow();
    refused('json_too_deep', () => parse(nested(65)));
    expect(() => parse(padded(nested(63)))).not.toThrow();
    refused('json_too_deep', () => parse(padded(nested(64))));

    const keys = (count: number) => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 1])));
    expect(() => parse(keys(10_000))).not.toThrow();
    refused('too_many_keys', () => parse(keys(10_001)));
    const many = `[${'{"a":1},'.repeat(5_000)}{}]`;
    expect(() => parse(`{"v":${many}}`)).not.toThrow();
    refused('too_many_keys', () => parse(`{"v":${many},"w":${many}}`));
  });
});

/** Long enough to be looked at. */
const PADDING = ' '.repeat(70_000);

describe('the end of a string', () => {
  /** RFC 8259, a character at a time. */
  function naive(bytes: Buffer, start: number): number {
    for (let pos = start + 1; pos < bytes.length; pos++) {
      if (bytes[pos] === 0x5c) pos++;
      else if (bytes[pos] === 0x22) return pos + 1;
    }
    return bytes.length;
  }

  test('is where a reader of single characters finds it, whatever comes before and after', () => {
    const piece = fc.oneof(
      fc.constantFrom('\\"', '\\\\', '"', '\\', 'a', 'é'),
      fc.integer({ min: 50, max: 200 }).map((length) => 'x'.repeat(length)),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.string(), (pieces, before) => {
        const bytes = Buffer.from(`${before}"${pieces.join('')}`);
        const start = Buffer.byteLength(before);
        expect(stringEnd(bytes, start)).toBe(naive(bytes, start));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the shape of a large body', () => {
  const check = (text: string) => checkShape(Buffer.from(PADDING + text));

  test('is fine for whatever an honest client sends', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        expect(() => check(JSON.stringify(value))).not.toThrow();
      }),
    );
  });

  test('is refused one level, key or container too far, and not before', () => {
    expect(() => check('['.repeat(64))).not.toThrow();
    refused('json_too_deep', () => check('['.repeat(65)));
    refused('json_too_deep', () => check('[{'.repeat(33)));
    expect(() => check('[]'.repeat(MAX_JSON_CONTAINERS))).not.toThrow();
    refused('too_many_keys', () => check('[]'.repeat(MAX_JSON_CONTAINERS + 1)));
    expect(() => check('"a":1,'.repeat(MAX_JSON_KEYS))).not.toThrow();
    refused('too_many_keys', () => check('"a":1,'.repeat(MAX_JSON_KEYS + 1)));
  });

  test('is not read from inside strings', () => {
    const text = '[{:'.repeat(100_000);
    for (const inside of [text, `\\"${text}`, `${text}\\\\`, `\\\\\\"${text}`]) {
      expect(() => check(`{"a":"${inside}","b":["${inside}"]}`)).not.toThrow();
      refused('json_too_deep', () => check(`{"a":"${inside}"}${'['.repeat(65)}`));
    }
  });

  test('of a small body is left to the parser', () => {
    expect(() => checkShape(Buffer.from('['.repeat(60_000)))).not.toThrow();
  });
});

test('more items than any context has tokens are refused before they are parsed, and fewer where a prompt is no list of tokens', () => {
  const list = (items: number) => Buffer.from(`{"prompt":[${'1,'.repeat(items - 1)}1]}`);
  for (const [most, takesTokenLists] of [
    [MAX_JSON_ITEMS, false],
    [MAX_TOKEN_ITEMS, true],
  ] as const) {
    expect(parseJsonBody(list(most), takesTokenLists).textChars).toBe(4 * most);
    const { message } = refused('too_many_keys', () => parseJsonBody(list(most + 1), takesTokenLists));
    expect(message).toContain(String(most));
  }
  // Commas in text are no items.
  expect(parseJsonBody(Buffer.from(`{"prompt":"${','.repeat(MAX_JSON_ITEMS + 1)}"}`)).textChars).toBe(MAX_JSON_ITEMS + 1);
});
