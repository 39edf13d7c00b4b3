import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { SETTINGS } from '../../../../gateway/config/schema/form.ts';
import { defaultSettings, settingsSchema } from '../../../../gateway/config/schema/settings.ts';
import { SCHEMA_FILE } from '../../../../gateway/config/schema/json-schema.ts';
import { load } from '../loading.ts';

const text = readFileSync(new URL('../../../../headgate.example.yaml', import.meta.url), 'utf8');

describe('headgate.example.yaml', () => {
  test('loads without warnings', () => {
    expect(load({ file: text }).warnings).toEqual([]);
  });

  test('holds every key, each with its default', () => {
    expect(parse(text)).toEqual(defaultSettings());
  });

  test('has a comment on or above every group', () => {
    const lines = text.split('\n');
    for (const key of Object.keys(defaultSettings())) {
      const at = lines.findIndex((line) => line.startsWith(`${key}:`));
      expect(lines[at - 1], key).toMatch(/^# ?/);
    }
  });

  // Entries of lists have no default, so they stand in comments.
  test.each(['workers', 'models'] as const)('shows an entry of %s with all its keys and their defaults', (list) => {
    const lines = text.split('\n');
    const end = lines.indexOf(`${list}: []`);
    const start = lines.slice(0, end).findLastIndex((line) => line.startsWith('#   - '));
    const block = lines.slice(start, end).map((line) => line.replace(/^# {3}/, ''));
    const [entry] = parse(block.join('\n')) as [Record<string, unknown>];
    expect(Object.keys(entry)).toEqual(SETTINGS.root.at([list, 0])?.names);
    expect(settingsSchema.parse({ [list]: [entry] })[list]).toEqual([entry]);
    const required = list === 'workers' ? { url: entry.url } : { id: entry.id };
    expect(settingsSchema.parse({ [list]: [required] })[list]).toEqual([entry]);
  });

  test('tells editors where the schema is', () => {
    expect(text.split('\n', 1)[0]).toBe(`# yaml-language-server: $schema=${SCHEMA_FILE}`);
  });
});
