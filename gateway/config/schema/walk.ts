import { z } from 'zod';
import type { Path } from './origins.ts';
import { settingsSchema } from './settings.ts';

// What the rest of this folder needs to know of the schema: what lies at a path, and how it may be written.

/** How a setting may be written. */
export type SettingKind = 'group' | 'list' | 'text' | 'value';

/** A setting: anything with a default of its own, as opposed to a group of settings. */
export interface SettingLeaf {
  readonly path: readonly string[];
  readonly schema: z.ZodType;
}

/** The schema at a path, wrappers included; null where nothing may be, or anything (inside a model's engine flags). */
export function schemaAt(path: Path): z.ZodType | null {
  let schema: z.ZodType | null = settingsSchema;
  for (const step of path) {
    if (schema === null) return null;
    schema = child(schema, step);
  }
  return schema;
}

/** The names that may stand in the group at a path; null when it is no group. */
export function namesAt(path: Path): string[] | null {
  const schema = schemaAt(path);
  const group = schema && withoutWrappers(schema, z.ZodObject);
  return group ? Object.keys(group.shape) : null;
}

export function settingKind(schema: z.ZodType): SettingKind {
  const inner = withoutWrappers(schema);
  if (inner instanceof z.ZodObject) return 'group';
  if (inner instanceof z.ZodArray || inner instanceof z.ZodTuple) return 'list';
  return inner instanceof z.ZodString ? 'text' : 'value';
}

/** Whether null is a value of its own there. */
export function acceptsNull(schema: z.ZodType): boolean {
  return schema.safeParse(null).success;
}

/** Whether a value must never be shown: marked in the schema, or by its name a secret among a model's engine flags. */
export function isSecret(path: Path): boolean {
  if (path[0] === 'models' && path[2] === 'engine') {
    return path.slice(3).some((step) => typeof step === 'string' && /(?:^|[-_.])(?:key|token|secret|password|passwd)s?$/i.test(step));
  }
  return path.some((_, i) => schemaAt(path.slice(0, i + 1))?.meta()?.['writeOnly'] === true);
}

/** Every setting, in the order of the schema. Lists of groups (`workers`, `models`) count as one. */
export function settingLeaves(): SettingLeaf[] {
  const leaves: SettingLeaf[] = [];
  function collect(path: readonly string[]) {
    const schema = schemaAt(path)!;
    if (settingKind(schema) !== 'group') leaves.push({ path, schema });
    else for (const name of namesAt(path)!) collect([...path, name]);
  }
  collect([]);
  return leaves;
}

function child(schema: z.ZodType, step: string | number): z.ZodType | null {
  if (typeof step === 'string') {
    const group = withoutWrappers(schema, z.ZodObject);
    return group && Object.hasOwn(group.shape, step) ? (group.shape[step] as z.ZodType) : null;
  }
  const inner = withoutWrappers(schema);
  if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
  if (inner instanceof z.ZodTuple) return (inner.def.items[step] as z.ZodType | undefined) ?? null;
  return null;
}

/** What a file is held against once defaults, null and normalization are set aside; with a `wanted` class, through unions too. */
function withoutWrappers(schema: z.ZodType): z.ZodType;
function withoutWrappers<T extends z.ZodType>(schema: z.ZodType, wanted: abstract new (...args: never[]) => T): T | null;
function withoutWrappers(schema: z.ZodType, wanted?: abstract new (...args: never[]) => z.ZodType): z.ZodType | null {
  let inner = schema;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodNullable)
      inner = inner.unwrap() as z.ZodType;
    else if (inner instanceof z.ZodPipe) inner = inner.in as z.ZodType;
    else if (wanted && inner instanceof z.ZodUnion) {
      const option = (inner.options as z.ZodType[]).find((each) => withoutWrappers(each, wanted));
      return option ? withoutWrappers(option, wanted) : null;
    } else break;
  }
  return wanted && !(inner instanceof wanted) ? null : inner;
}
