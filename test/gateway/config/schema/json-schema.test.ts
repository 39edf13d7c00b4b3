import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SCHEMA_FILE, settingsJsonSchema } from '../../../../gateway/config/schema/json-schema.ts';

const root = new URL('../../../../', import.meta.url);
type Node = { [key: string]: unknown; properties?: Record<string, Node>; items?: Node; anyOf?: Node[]; description?: string };

describe('the JSON Schema', () => {
  test('in the repository is the one that is generated (node gateway/config/schema/write-schema.ts writes it)', () => {
    expect(JSON.parse(readFileSync(new URL(SCHEMA_FILE, root), 'utf8'))).toEqual(settingsJsonSchema());
  });

  test('describes every key', () => {
    const bare: string[] = [];
    let seen = 0;
    function visit(node: Node, path: string) {
      for (const [key, child] of Object.entries(node.properties ?? {})) {
        seen++;
        if (!child.description) bare.push(`${path}${key}`);
        visit(child, `${path}${key}.`);
      }
      for (const option of node.anyOf ?? []) visit(option, path);
      if (node.items && !Array.isArray(node.items)) visit(node.items, path);
    }
    visit(settingsJsonSchema() as Node, '');
    expect(bare).toEqual([]);
    expect(seen).toBeGreaterThan(60);
  });

  test('knows ranges, choices and defaults, and lets a value come from the environment', () => {
    const { properties } = settingsJsonSchema() as Node;
    expect(properties!.server!.properties!.port).toMatchObject({
      default: 8080,
      anyOf: [{ type: 'integer', minimum: 0, maximum: 65535 }, { type: 'string' }],
    });
    expect(properties!.load_balancer!.properties!.policy!.anyOf![0]).toMatchObject({ enum: ['p2c', 'round_robin', 'least_loaded'] });
    expect(properties!.server).toMatchObject({ additionalProperties: false });
    const variable = new RegExp(properties!.server!.properties!.port!.anyOf![1]!.pattern as string);
    expect(variable.test('${PORT}')).toBe(true);
    expect(variable.test('${PORT:-80}')).toBe(true);
    expect(variable.test('8080')).toBe(false);
  });
});
