import fc from 'fast-check';
import { expect, test } from 'vitest';
import { admitFields, type LogFields } from '../../../../gateway/core/log/fields.ts';
import { jsonLine } from '../../../../gateway/core/log/json-line.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('\ud800', '\u2028', '"', '\\', '\u007f'),
);
const value = fc.oneof(text, fc.double(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(undefined), fc.array(text));
const names = ['request_id', 'status', 'message', 'changed', 'worker', 'stream', 'authorization', 'prompt', '__proto__'];
const fields = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...names), value), { selector: ([name]) => name })
  .map((all) => Object.fromEntries(all));

test('a line reads as an object made of the same fields does, in their order, and is one line', () => {
  fc.assert(
    fc.property(text, text, fields, (event, msg, all) => {
      const line = jsonLine('info', '2026-01-01T00:00:00.000Z', event, msg, all as LogFields);
      const whole = { level: 'info', time: '2026-01-01T00:00:00.000Z', event, ...admitFields(all as LogFields), msg };
      expect(line).toBe(`${JSON.stringify(whole)}\n`);
      expect(line.indexOf('\n')).toBe(line.length - 1);
    }),
    { numRuns: 500 },
  );
});
