import { z } from 'zod';
import { isSecretName } from '../../core/secrets/data.ts';
import type { Path } from './origins.ts';

/** How a value may be written. */
type NodeKind = 'group' | 'list' | 'text' | 'value';

/** A setting: anything with a default of its own, as opposed to a group of settings. */
interface SchemaLeaf {
  readonly path: readonly string[];
  readonly node: SchemaNode;
}

/** A place in a schema: how a value there may be written, and what may lie in it. Each place is looked at once. */
export class SchemaNode {
  readonly schema: z.ZodType;
  readonly kind: NodeKind;
  readonly #bare: z.ZodType;
  readonly #children = new Map<z.ZodType, SchemaNode>();

  constructor(schema: z.ZodType) {
    this.schema = schema;
    this.#bare = bare(schema);
    this.kind = kindOf(this.#bare);
  }

  /** The node at a path; null where nothing may be, or anything (inside an engine flag). */
  at(path: Path): SchemaNode | null {
    return path.reduce<SchemaNode | null>((node, step) => node && node.#child(step), this);
  }

  /** The names that may stand here; null when this is no group. */
  get names(): string[] | null {
    const groups = this.#groups();
    return groups.length === 0 ? null : [...new Set(groups.flatMap(({ shape }) => Object.keys(shape)))];
  }

  /** Whether null is a value of its own here. */
  get acceptsNull(): boolean {
    return this.schema.safeParse(null).success;
  }

  /** Every setting below, in the order of the schema. Lists of groups (`workers`, `models`) count as one. */
  leaves(path: readonly string[] = []): SchemaLeaf[] {
    if (this.kind !== 'group') return [{ path, node: this }];
    return (this.names ?? []).flatMap((name) => this.#child(name)?.leaves([...path, name]) ?? []);
  }

  /** Whether a value must never be shown: marked in the schema, or by its name a secret where names are free (engine flags). */
  hides(path: Path): boolean {
    return path.some((step, i) => {
      const group = this.at(path.slice(0, i));
      if (group?.names) return this.at(path.slice(0, i + 1))?.schema.meta()?.['writeOnly'] === true;
      return typeof step === 'string' && isSecretName(step);
    });
  }

  /** Whether what somebody wrote here in place of what is expected may be a secret. */
  get isSecret(): boolean {
    return this.schema.meta()?.['writeOnly'] === true;
  }

  #child(step: string | number): SchemaNode | null {
    const schema = this.#schemaOf(step);
    // What refers to itself is JSON of any form.
    if (schema === undefined || bare(schema) instanceof z.ZodLazy) return null;
    const child = this.#children.get(schema) ?? new SchemaNode(schema);
    this.#children.set(schema, child);
    return child;
  }

  #schemaOf(step: string | number): z.ZodType | undefined {
    const inner = this.#bare;
    if (typeof step === 'number') {
      if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
      return inner instanceof z.ZodTuple ? (inner.def.items[step] as z.ZodType | undefined) : undefined;
    }
    if (inner instanceof z.ZodRecord) return inner.valueType as z.ZodType;
    return this.#groups().find(({ shape }) => Object.hasOwn(shape, step))?.shape[step] as z.ZodType | undefined;
  }

  /** The groups that may stand here: several where a value may be written in several ways. */
  #groups(): z.ZodObject[] {
    const options = this.#bare instanceof z.ZodUnion ? (this.#bare.options as z.ZodType[]).map(bare) : [this.#bare];
    return options.filter((option) => option instanceof z.ZodObject);
  }
}

/** A schema without its wrappers: default, null, optional and normalization. */
function bare(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodOptional
  ) {
    return bare(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? bare(schema.in as z.ZodType) : schema;
}

function kindOf(inner: z.ZodType): NodeKind {
  if (inner instanceof z.ZodObject) return 'group';
  if (inner instanceof z.ZodArray || inner instanceof z.ZodTuple) return 'list';
  return inner instanceof z.ZodString ? 'text' : 'value';
}
