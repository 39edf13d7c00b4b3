import { expect, test } from 'vitest';
import { SETTINGS_RULES } from '../../../gateway/bundle/settings-rules.ts';
import { Each, type Rule } from '../../../gateway/bundle/veil/rule.ts';
import { toJsonSchema, type Json } from '../../../gateway/config/schema/json-schema.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';

type Place = { readonly path: string; readonly json: Json };

/** Every value of the settings that is no group, through lists and whatever ways there are to write it. */
function leaves(json: Json, path: string): Place[] {
  const ways = (json.anyOf as Json[] | undefined)?.filter(({ type }) => type !== 'null');
  const groups = ways?.filter(({ properties }) => properties) ?? [];
  if (groups.length > 0) return groups.flatMap((each) => leaves(each, path));
  if (ways?.length === 1) return leaves({ ...ways[0]!, writeOnly: (json as { writeOnly?: boolean }).writeOnly } as Json, path);
  if (json.properties) {
    return Object.entries(json.properties).flatMap(([name, inner]) => leaves(inner as Json, path === '' ? name : `${path}.${name}`));
  }
  const items = json.items as Json | undefined;
  if (items && !Array.isArray(items)) {
    const inner = leaves(items, `${path}[]`);
    return inner.length === 1 && inner[0]!.path === `${path}[]` ? [{ path, json }] : inner;
  }
  return [{ path, json }];
}

/** The same of the rules. */
function ruled(rule: Rule, path: string): Map<string, Rule> {
  if (typeof rule === 'string' || rule instanceof Each) return new Map([[path, rule]]);
  if (Array.isArray(rule)) {
    const [inner] = rule as readonly [Rule];
    return typeof inner === 'string' ? new Map([[path, inner]]) : ruled(inner, `${path}[]`);
  }
  return new Map(Object.entries(rule).flatMap(([name, inner]) => [...ruled(inner as Rule, path === '' ? name : `${path}.${name}`)]));
}

/** Whether somebody may write a text of his own there. */
function takesFreeText(json: Json): boolean {
  const ways = json.anyOf as Json[] | undefined;
  if (ways) return ways.some(takesFreeText);
  if (json.enum || json.const !== undefined) return false;
  if (json.items) return [json.items].flat().some((each) => takesFreeText(each as Json));
  if (json.prefixItems) return (json.prefixItems as Json[]).some(takesFreeText);
  return [json.type].flat().includes('string') || json.type === undefined || json.type === 'object';
}

const PLACES = leaves(toJsonSchema(settingsSchema), '');
const RULES = ruled(SETTINGS_RULES, '');

test('of every setting it is decided whether it may go out', () => {
  expect(PLACES.length).toBeGreaterThan(120);
  expect([...RULES.keys()].toSorted()).toEqual([...new Set(PLACES.map(({ path }) => path))].toSorted());
});

test('no text of somebody else goes out as it is', () => {
  const free = PLACES.filter(({ json }) => takesFreeText(json));
  expect(free.length).toBeGreaterThan(25);
  for (const { path } of free) {
    const rule = RULES.get(path)!;
    expect([path, rule instanceof Each ? 'each' : rule]).not.toEqual([path, expect.stringMatching(/^(?:plain|word|text|foreign)$/)]);
  }
});

test('what the schema marks as secret is one here', () => {
  const secret = PLACES.filter(({ json }) => (json as { writeOnly?: boolean }).writeOnly === true).map(({ path }) => path);
  expect(secret).toContain('admin.key');
  for (const path of secret) {
    const rule = RULES.get(path);
    expect([path, rule instanceof Each ? rule.value : rule]).toEqual([path, expect.stringMatching(/^(?:secret|url)$/)]);
  }
});
