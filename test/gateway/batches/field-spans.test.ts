import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fieldSpans } from '../../../gateway/batches/field-spans.ts';
import { requestLine } from '../../../gateway/batches/request-line.ts';

describe('the body of a line', () => {
  test.each([
    [
      '{"custom_id":"a","method":"POST","url":"/v1/x","body":{"seed":9007199254740993,"t":1.0,  "a" : [1 , 2]}}',
      '{"seed":9007199254740993,"t":1.0,  "a" : [1 , 2]}',
    ],
    ['{"body":{"body":{"custom_id":"no"}},"url":"/v1/x","custom_id":"a"}', '{"body":{"custom_id":"no"}}'],
    [' { "body" : {} , "url":"/v1/x", "custom_id" : "a" } ', '{}'],
    ['{"body":{"x":1},"url":"/v1/x","custom_id":"b","custom_id":"a","body":{"x":2}}', '{"x":2}'],
    [String.raw`{"b\u006fdy":{"q":"}\"{,"},"url":"/v1/x","custom_id":"a"}`, String.raw`{"q":"}\"{,"}`],
  ])('%s', (line, body) => {
    const parts = requestLine(Buffer.from(line));
    expect(parts?.body.toString()).toBe(body);
    expect(parts?.customId).toBe('"a"');
  });

  test.each(['{}', '{"custom_id":"a","url":"/"}', '{"url":"/","body":{}}'])('%s has none', (line) =>
    expect(requestLine(Buffer.from(line))).toBeNull(),
  );

  test('every field of an object is where a parser finds it', () => {
    const spaced = (value: unknown, gap: string): string => JSON.stringify(value, null, gap);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom('', ' ', '\t'), (object, gap) => {
        // What JSON makes of it: -0 is 0.
        const text = spaced(object, gap);
        const spans = fieldSpans(Buffer.from(text));
        const found = [...spans].map(([name, { start, end }]) => [name, JSON.parse(Buffer.from(text).toString('utf8', start, end))]);
        expect(new Map(found as [string, unknown][])).toEqual(new Map(Object.entries(JSON.parse(text) as object)));
      }),
    );
  });
});
