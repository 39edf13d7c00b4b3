import fc from 'fast-check';
import { expect, test } from 'vitest';
import { modelsAllowed } from '../../../gateway/keys/model-patterns.ts';

const model = (id: string, ...aliases: string[]) => ({ id, aliases });

test.each([
  [['*'], model('any/thing'), true],
  [['m'], model('m'), true],
  [['m'], model('mm'), false],
  [['gpt-4o'], model('mistral-7b', 'gpt-4o'), true],
  [['gpt-4o'], model('mistral-7b', 'gpt-4o-mini'), false],
  [['qwen*'], model('qwen2.5-1.5b'), true],
  [['qwen*'], model('maker/qwen2.5'), false],
  [['*qwen*'], model('maker/qwen2.5'), true],
  [['maker/*-7b'], model('maker/x-7b'), true],
  [['maker/*-7b'], model('maker/x-7b-instruct'), false],
  [['a*a'], model('a'), false],
  [['a*a'], model('aa'), true],
  [['a*b*c'], model('abc'), true],
  [['a*b*c'], model('acb'), false],
  [['a.c'], model('abc'), false],
  [['x', 'y*'], model('yes'), true],
  [['x', 'y*'], model('no'), false],
] as const)('%j allows %j: %s', (patterns, names, expected) => {
  expect(modelsAllowed(patterns)(names)).toBe(expected);
});

test('a pattern allows what the same text as a regular expression does', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '*', '/', '.'), minLength: 1, maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.'), maxLength: 10 });
  fc.assert(
    fc.property(word, name, (pattern, id) => {
      const source = pattern
        .split('*')
        .map((piece) => piece.replaceAll(/[.]/g, '\\.'))
        .join('.*');
      expect(modelsAllowed([pattern])({ id, aliases: [] })).toBe(new RegExp(`^${source}$`, 's').test(id));
    }),
  );
});

test('a pattern of many stars is quick to say no', () => {
  const allows = modelsAllowed(['*a'.repeat(120) + 'b']);
  const before = process.cpuUsage();
  expect(allows(model('a'.repeat(256)))).toBe(false);
  const { user } = process.cpuUsage(before);
  expect(user).toBeLessThan(200_000);
});
