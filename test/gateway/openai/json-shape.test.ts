import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkShape, MAX_JSON_CONTAINERS, MAX_JSON_KEYS } from '../../../gateway/openai/json-shape.ts';
import { stringEnd } from '../../../gateway/openai/json-string-end.ts';
import { refused } from './refused.ts';

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
