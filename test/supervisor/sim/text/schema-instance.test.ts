import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { chance } from '../../../../supervisor/sim/text/prose.ts';
import { instanceOf } from '../../../../supervisor/sim/text/schema-instance.ts';

const SEEDS = Array.from({ length: 30 }, (_, seed) => seed);

const SHAPES: readonly (readonly [string, z.ZodType])[] = [
  [
    'an object of everything',
    z.object({ text: z.string(), count: z.int(), share: z.number(), fine: z.boolean(), nothing: z.null(), list: z.array(z.string()) }),
  ],
  [
    'bounded numbers',
    z.object({ a: z.int().min(3).max(4), b: z.number().gt(0).lt(1), c: z.int().multipleOf(5).min(12), d: z.number().max(-2) }),
  ],
  ['bounded texts', z.object({ long: z.string().min(30), short: z.string().max(3), exact: z.string().length(5) })],
  [
    'patterns',
    z.object({
      code: z.string().regex(/^[A-Z]{2,3}-\d{4}$/),
      color: z.string().regex(/^(red|green|blue)$/),
      free: z.string().regex(/^[^\s@]+@[a-z]+\.(com|org)$/),
    }),
  ],
  ['formats', z.object({ at: z.iso.datetime(), day: z.iso.date(), mail: z.email(), link: z.url(), id: z.uuid() })],
  [
    'enums, constants and unions',
    z.object({ kind: z.enum(['one', 'two']), fixed: z.literal(7), either: z.union([z.string(), z.object({ deep: z.int() })]) }),
  ],
  ['optional and nullable fields', z.object({ maybe: z.string().optional(), none: z.string().nullable() })],
  ['bounded lists and tuples', z.object({ some: z.array(z.int()).min(3).max(3), pair: z.tuple([z.string(), z.int()]) })],
  ['records', z.object({ map: z.record(z.string(), z.int()) })],
  [
    'a tagged union',
    z.discriminatedUnion('type', [z.object({ type: z.literal('a'), x: z.int() }), z.object({ type: z.literal('b'), y: z.string() })]),
  ],
  ['what all of several say', z.intersection(z.object({ a: z.string() }), z.object({ b: z.int() }))],
];

interface Tree {
  readonly name: string;
  readonly children: readonly Tree[];
}

const treeShape: z.ZodType<Tree> = z.object({
  name: z.string(),
  get children() {
    return z.array(treeShape);
  },
});

describe('an instance of a schema validates', () => {
  test.each([...SHAPES, ['a schema that refers to itself', treeShape] as const])('%s', (_, shape) => {
    const schema = z.toJSONSchema(shape);
    for (const seed of SEEDS) expect(() => shape.parse(instanceOf(schema, chance(seed)))).not.toThrow();
  });

  test('references into $defs are followed', () => {
    const schema = {
      type: 'object',
      properties: { color: { $ref: '#/$defs/color' } },
      required: ['color'],
      $defs: { color: { enum: ['red'] } },
    };
    expect(instanceOf(schema, chance(1))).toEqual({ color: 'red' });
  });

  test('the same seed gives the same instance', () => {
    const schema = z.toJSONSchema(z.object({ a: z.string(), b: z.int() }));
    expect(instanceOf(schema, chance(5))).toEqual(instanceOf(schema, chance(5)));
  });
});
