import { redacted } from '../../core/secrets/data.ts';
import type { z } from 'zod';
import { alternatives, expectation, hint, shownValue } from './expectation.ts';
import type { Form } from './form.ts';
import { nearestName, sameName } from './nearest-name.ts';
import { type Path, pathText } from './origins.ts';

/** One disagreement between a tree and the schema. */
interface SchemaIssue {
  readonly path: Path;
  /** Whether it is about the key at the end of the path or about the value under it. */
  readonly about: 'key' | 'value';
  readonly message: string;
}

type ZodIssue = z.core.$ZodIssue;

/** A tree, the form it is held against, and which values no message may repeat. */
interface Case {
  readonly tree: unknown;
  readonly form: Form;
  readonly unshown: (path: Path) => boolean;
}

/** Everything the schema of a form finds wrong with a tree, in words. `unshown` says which values no message may repeat. */
export function schemaIssues(tree: unknown, form: Form, unshown: (path: Path) => boolean): SchemaIssue[] {
  const result = form.root.schema.safeParse(tree);
  if (result.success) return [];
  const issues = result.error.issues.flatMap((issue) => explain(issue, [], { tree, form, unshown }));
  // Text in place of a list is of the wrong type and may be too long for the list besides: the first says it.
  const first = new Set<string>();
  return issues.filter(({ path }) => !first.has(pathText(path)) && first.add(pathText(path)));
}

function explain(issue: ZodIssue, base: Path, about: Case): SchemaIssue[] {
  const path: Path = [...base, ...(issue.path as Path)];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], about: 'key', message: unknownKey(path, key, about.form) }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, about: 'key', message: issue.issues[0]?.message ?? 'not a name' }];
  }
  const meant = issue.code === 'invalid_union' ? meantBy(issue.errors) : [];
  const [only] = meant;
  if (only && meant.length === 1) return only.flatMap((error) => explain(error, path, about));
  const message = meant.length > 1 ? oneOf(meant) : wrongValue(issue, path, about);
  return [{ path, about: 'value', message }];
}

/** Of the ways a value may be written, those that were meant: their own shape is right, and the fault lies inside. */
function meantBy(options: readonly ZodIssue[][]): readonly ZodIssue[][] {
  const fitting = options.filter((errors) => errors.length > 0 && errors.every((error) => !isOfItself(error, 'invalid_type')));
  if (fitting.length < 2) return fitting;
  const fewest = Math.min(...fitting.map(({ length }) => length));
  const closest = fitting.filter(({ length }) => length === fewest);
  // A key that no option knows is the mistake; that a required key is missing follows from it.
  const strange = closest[0]!.filter((error) => isOfItself(error, 'unrecognized_keys'));
  return closest.length > 1 && strange.length > 0 ? [strange] : closest;
}

/** What several options ask for: each needs a key that the others do not have. */
function oneOf(options: readonly ZodIssue[][]): string {
  const needed = options.flatMap((errors) => errors.map(({ path }) => String(path.at(-1))));
  return `expected ${alternatives(needed)} here`;
}

function wrongValue(issue: ZodIssue, path: Path, { tree, form, unshown }: Case): string {
  const value = valueAt(tree, path);
  if (value === undefined) return 'is required here';
  const ownWords = issue.code === 'custom' || issue.code === 'invalid_format';
  if (ownWords) return issue.message;
  const node = form.root.at(path);
  if (!node) return 'expected text, a number, true, false, null, or a list or group of them';
  if (path.length === 0) return `expected ${form.content}`;
  const expected = expectation(node.schema);
  if (unshown(path) || form.root.hides(path) || node.isSecret) return `expected ${expected}`;
  return `expected ${expected}; got ${shownValue(redacted(value))}${hint(node.schema, value, pathText(path))}`;
}

function unknownKey(group: Path, key: string, { root }: Form): string {
  const siblings = root.at(group)?.names ?? [];
  if (siblings.includes(key)) return 'does not go with the other keys here';
  const near = nearestName(key, siblings);
  if (near !== null) return `unknown key; did you mean ${near}?`;
  const elsewhere = root.leaves().filter(({ path }) => sameName(path.at(-1)!, key));
  if (elsewhere.length > 0) return `unknown key here; did you mean ${elsewhere.map(({ path }) => path.join('.')).join(' or ')}?`;
  return `unknown key; known here: ${siblings.join(', ')}`;
}

function isOfItself(issue: ZodIssue, code: ZodIssue['code']): boolean {
  return issue.path.length === 0 && issue.code === code;
}

function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}
