import type { z } from 'zod';
import { expectation, hint, shownValue } from './expectation.ts';
import { nearestName, sameName } from './nearest-name.ts';
import { type Path, pathText } from './origins.ts';
import { isSecret, namesAt, schemaAt, settingLeaves } from './walk.ts';
import { settingsSchema } from './settings.ts';

/** One disagreement between a tree and the schema. */
export interface SchemaIssue {
  readonly path: Path;
  /** Whether it is about the key at the end of the path or about the value under it. */
  readonly about: 'key' | 'value';
  readonly message: string;
}

type ZodIssue = z.core.$ZodIssue;

/** Everything the schema finds wrong with a tree, in words. `unshown` says of which values nothing may be repeated. */
export function schemaIssues(tree: unknown, unshown: (path: Path) => boolean): SchemaIssue[] {
  const result = settingsSchema.safeParse(tree);
  if (result.success) return [];
  const issues = result.error.issues.flatMap((issue) => explain(issue, [], tree, unshown));
  // Text in place of a list is of the wrong type and may be too long for the list besides: the first says it.
  const first = new Set<string>();
  return issues.filter(({ path }) => !first.has(pathText(path)) && first.add(pathText(path)));
}

function explain(issue: ZodIssue, base: Path, tree: unknown, unshown: (path: Path) => boolean): SchemaIssue[] {
  const path: Path = [...base, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], about: 'key', message: unknownKey(path, key) }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, about: 'key', message: issue.issues[0]?.message ?? 'not a name' }];
  }
  if (issue.code === 'invalid_union') {
    // Of the ways a value may be written, speak of the one that was meant: where its own shape is right and the fault lies inside.
    const meant = issue.errors.find((errors) => errors.length > 0 && errors.every((error) => !isWrongShape(error)));
    if (meant) return meant.flatMap((error) => explain(error, path, tree, unshown));
  }
  return [{ path, about: 'value', message: wrongValue(issue, path, valueAt(tree, path), unshown(path)) }];
}

function wrongValue(issue: ZodIssue, path: Path, value: unknown, unshown: boolean): string {
  if (value === undefined) return 'is required here';
  const ownWords = issue.code === 'custom' || issue.code === 'invalid_format' || issue.message.startsWith('API keys');
  if (ownWords) return issue.message;
  const schema = schemaAt(path);
  if (!schema) return path[0] === 'models' ? 'expected text, a number, true, false, null, or a list or group of them' : issue.message;
  if (path.length === 0) return 'expected groups of settings, such as server: and models:';
  const expected = expectation(schema);
  if (unshown || isSecret(path)) return `expected ${expected}`;
  return `expected ${expected}; got ${shownValue(value)}${hint(schema, value, pathText(path))}`;
}

function unknownKey(group: Path, key: string): string {
  const siblings = namesAt(group) ?? [];
  const near = nearestName(key, siblings);
  if (near !== null) return `unknown key; did you mean ${near}?`;
  const elsewhere = settingLeaves().filter(({ path }) => sameName(path.at(-1)!, key));
  if (elsewhere.length > 0) return `unknown key here; did you mean ${elsewhere.map(({ path }) => path.join('.')).join(' or ')}?`;
  return `unknown key; known here: ${siblings.join(', ')}`;
}

function isWrongShape(issue: ZodIssue): boolean {
  return issue.path.length === 0 && issue.code === 'invalid_type';
}

function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
