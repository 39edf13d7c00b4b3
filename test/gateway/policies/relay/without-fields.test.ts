import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withoutFields } from '../../../../gateway/policies/relay/without-fields.ts';

test.each([
  ['{"a":1,"priority":-1,"b":1.0}', '{"a":1,"b":1.0}'],
  ['{ "priority" : {"x":[1,"}"]} , "seed": 12345678901234567890 }', '{ "seed": 12345678901234567890 }'],
  ['{"a":{"priority":1},"priority":2}', '{"a":{"priority":1}}'],
  ['{"priority":1,"priority":2}', '{}'],
  ['{"a":"\\"priority\\":1"}', '{"a":"\\"priority\\":1"}'],
  ['{"a":1}\n', '{"a":1}\n'],
])('%s becomes %s', (body, expected) => {
  expect(withoutFields(Buffer.from(body), ['priority']).toString()).toBe(expected);
});

test('is what parsing and leaving out would give, for any object', () => {
  const names = ['priority', 'cache_salt'];
  const key = fc.oneof(fc.constantFrom(...names, 'a', 'b'), fc.string());
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
      const bytes = Buffer.from(JSON.stringify(value, null, indent));
      const expected = Object.fromEntries(Object.entries(JSON.parse(bytes.toString())).filter(([name]) => !names.includes(name)));
      expect(JSON.parse(withoutFields(bytes, names).toString())).toEqual(expected);
    }),
  );
});
