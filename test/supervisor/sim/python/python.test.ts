import { describe, expect, test } from 'vitest';
import { readPythonJson } from '../../../../supervisor/sim/python/json.ts';
import { pythonFloat, pythonRepr } from '../../../../supervisor/sim/python/values.ts';

describe('text as Python writes it', () => {
  test('values have the look of repr', () => {
    expect(pythonRepr({ a: [1, 1.5, true, null], b: "it's", c: 'say "hi"\n' })).toBe(
      `{'a': [1, 1.5, True, None], 'b': "it's", 'c': 'say "hi"\\n'}`,
    );
    expect(pythonFloat(-1)).toBe('-1.0');
    expect(pythonFloat(0.25)).toBe('0.25');
  });

  // What json.loads of CPython says of each.
  test.each([
    ['', 0, 'Expecting value'],
    ['{"a":1,}', 7, 'Expecting property name enclosed in double quotes'],
    ['{a:1}', 1, 'Expecting property name enclosed in double quotes'],
    ['{"a" 1}', 5, "Expecting ':' delimiter"],
    ['{"a":1 "b":2}', 7, "Expecting ',' delimiter"],
    ['{"a":}', 5, 'Expecting value'],
    ['[1,2', 4, "Expecting ',' delimiter"],
    ['{"a":"b', 5, 'Unterminated string starting at'],
    ['{"a":"\\x"}', 6, 'Invalid \\escape'],
    ['{} {}', 3, 'Extra data'],
    ['{"a":"\n"}', 6, 'Invalid control character at'],
  ])('%j is refused at character %d', (text, at, message) => {
    expect(() => JSON.parse(text) as unknown).toThrow();
    expect(readPythonJson(text)).toEqual({ at, message });
  });

  test.each([
    ['{"a": NaN}', { a: NaN }],
    ['[Infinity, -Infinity, {"b": [NaN, "\\u0041"]}]', [Infinity, -Infinity, { b: [NaN, 'A'] }]],
  ])('%j is read, although it is no JSON', (text, value) => {
    expect(readPythonJson(text)).toEqual({ value });
  });
});
