import { fieldsOf, mayBe } from './fields-of.ts';
import type { FieldProblem } from './problem.ts';
import { isTaken, type Read, readBool, readFloat, readInt, readOneOf, readText } from './scalars.ts';
import { namedShape, type Shape } from './shapes.ts';

type Path = readonly (string | number)[];
type Json = Readonly<Record<string, unknown>>;

/** A list that vLLM reads later than the rest: what is wrong with its items is told in other words. */
interface Later {
  readonly shape: Shape;
  readonly items: readonly unknown[];
}

/** A value held against a shape. */
export interface Checked {
  /** With numbers and booleans in place of the texts that mean them. */
  readonly value: unknown;
  readonly problems: readonly FieldProblem[];
  readonly later: readonly Later[];
}

/** Holds a value against a shape, in the order and with the words of pydantic, which vLLM checks all bodies with. */
export function checkShape(shape: Shape, value: unknown, loc: Path): Checked {
  const check = new Check();
  const read = check.read(shape, value, loc);
  return { value: read, problems: check.problems, later: check.later };
}

/** What is wrong with the items of a list that is read later; only the first item is told of. */
export function checkLater({ shape, items }: Later): readonly FieldProblem[] {
  for (const [at, item] of items.entries()) {
    const { problems } = checkShape(shape, item, [at]);
    if (problems.length > 0) return problems;
  }
  return [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function problemsOf(shape: Shape, value: unknown, loc: Path): readonly FieldProblem[] {
  return checkShape(shape, value, loc).problems;
}

const NOT_A_MODEL = 'Input should be a valid dictionary or object to extract fields from';

class Check {
  problems: FieldProblem[] = [];
  later: Later[] = [];
  /** false: somewhere a value only means what it should be. */
  exact = true;
  /** How many fields are known, those below included; null where there is nothing that has any. */
  known: number | null = null;

  read(shape: Shape, value: unknown, loc: Path): unknown {
    if (typeof shape === 'string') return this.#plain(shape, value, loc);
    if ('null' in shape) return value === null ? null : this.read(shape.null, value, loc);
    if ('ref' in shape) return this.#named(shape.ref, value, loc);
    if ('int' in shape) return this.#take(readInt(value, shape.int), value, loc);
    if ('float' in shape) return this.#take(readFloat(value, shape.float), value, loc);
    if ('str' in shape) return this.#take(readText(value, shape.str), value, loc);
    if ('literal' in shape) return this.#take(readOneOf(value, shape.literal, 'literal_error'), value, loc);
    if ('enum' in shape) return this.#take(readOneOf(value, shape.enum, 'enum'), value, loc);
    if ('list' in shape) return this.#list(shape, value, loc);
    if ('iterable' in shape) return this.#iterable(shape.iterable, value, loc);
    if ('dict' in shape) return this.#dict(shape.dict[1], value, loc);
    if ('union' in shape) return this.#union(shape.union, value, loc);
    if ('tagged' in shape) return this.#tagged(shape.tagged, shape.by, value, loc);
    if ('instance' in shape) return this.#instance(shape.instance, value, loc);
    if ('model' in shape) return this.#fields(shape.model, value, loc, shape.closed, 'model_attributes_type', NOT_A_MODEL);
    if ('typed' in shape) return this.#fields(shape.typed, value, loc, shape.closed, 'dict_type', 'Input should be a valid dictionary');
    return this.#fields(shape.dataclass, value, loc, false, 'dataclass_type', 'Input should be a dictionary or an instance of a dataclass');
  }

  #plain(shape: 'any' | 'bool' | 'none' | 'int' | 'float' | 'str', value: unknown, loc: Path): unknown {
    switch (shape) {
      case 'any':
        return value;
      case 'bool':
        return this.#take(readBool(value), value, loc);
      case 'int':
        return this.#take(readInt(value), value, loc);
      case 'float':
        return this.#take(readFloat(value), value, loc);
      case 'str':
        return this.#take(readText(value), value, loc);
      case 'none':
        return value === null ? null : this.#refuse('none_required', 'Input should be None', value, loc);
    }
  }

  #take(read: Read, input: unknown, loc: Path): unknown {
    if (!isTaken(read)) return this.#refuse(read.type, read.msg, input, loc, read.ctx);
    this.exact &&= read.exact;
    return read.value;
  }

  #refuse(type: string, msg: string, input: unknown, loc: Path, ctx?: Json): unknown {
    this.problems.push({ type, loc, msg, input, ...(ctx === undefined ? {} : { ctx }) });
    return input;
  }

  #named(name: string, value: unknown, loc: Path): unknown {
    const found = namedShape(name);
    if (typeof found.shape === 'object' && 'dataclass' in found.shape && !isObject(value)) {
      const msg = `Input should be a dictionary or an instance of ${found.name}`;
      return this.#refuse('dataclass_type', msg, value, loc, { class_name: found.name });
    }
    return this.read(found.shape, value, loc);
  }

  #list(shape: { readonly list: Shape; readonly min_length?: number; readonly max_length?: number }, value: unknown, loc: Path): unknown {
    if (!Array.isArray(value)) return this.#refuse('list_type', 'Input should be a valid list', value, loc);
    const items = (count: number): string => `${count} item${count === 1 ? '' : 's'}`;
    const { min_length: least, max_length: most } = shape;
    if (most !== undefined && value.length > most) {
      const ctx = { field_type: 'List', max_length: most, actual_length: value.length };
      return this.#refuse('too_long', `List should have at most ${items(most)} after validation, not ${value.length}`, value, loc, ctx);
    }
    const before = this.problems.length;
    const read = shape.list === 'any' ? value : value.map((item: unknown, at) => this.read(shape.list, item, [...loc, at]));
    if (least !== undefined && value.length < least && this.problems.length === before) {
      const ctx = { field_type: 'List', min_length: least, actual_length: value.length };
      return this.#refuse('too_short', `List should have at least ${items(least)} after validation, not ${value.length}`, value, loc, ctx);
    }
    return read;
  }

  #iterable(shape: Shape, value: unknown, loc: Path): unknown {
    if (!Array.isArray(value)) return this.#refuse('iterable_type', 'Input should be iterable', value, loc);
    this.later.push({ shape, items: value });
    return value;
  }

  #dict(values: Shape, value: unknown, loc: Path): unknown {
    if (!isObject(value)) return this.#refuse('dict_type', 'Input should be a valid dictionary', value, loc);
    if (values === 'any') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.read(values, item, [...loc, key])]));
  }

  /**
   * Of those that fit the one is taken that knows most of the fields, then what is exact before what only means it, then the first, as in
   * pydantic-core's union.rs; what none of them fits is told why of each.
   */
  #union(branches: readonly (readonly [string | null, Shape])[], value: unknown, loc: Path): unknown {
    let best: { readonly check: Check; readonly read: unknown } | null = null;
    const problems: FieldProblem[] = [];
    // Of most values most branches cannot be true, and what is wrong with those matters only where none is.
    const likely = branches.filter(([, shape]) => mayBe(shape, value));
    for (const [name, shape] of likely) {
      const check = new Check();
      const read = check.read(shape, value, name === null ? loc : [...loc, name]);
      if (check.problems.length > 0) problems.push(...check.problems);
      else if (check.exact && check.known === null) return this.#choose(check, read);
      else if (best === null || check.#isBetterThan(best.check)) best = { check, read };
    }
    if (best !== null) return this.#choose(best.check, best.read);
    if (likely.length === branches.length) this.problems.push(...problems);
    else for (const [name, shape] of branches) this.problems.push(...problemsOf(shape, value, name === null ? loc : [...loc, name]));
    return value;
  }

  #isBetterThan(other: Check): boolean {
    const [one, two] = [this.known ?? 0, other.known ?? 0];
    return one > two || (one === two && this.exact && !other.exact);
  }

  #choose(check: Check, read: unknown): unknown {
    this.exact &&= check.exact;
    this.later.push(...check.later);
    if (check.known !== null) this.known = (this.known ?? 0) + check.known;
    return read;
  }

  #tagged(name: string, by: Readonly<Record<string, Shape>>, value: unknown, loc: Path): unknown {
    if (!isObject(value)) return this.#refuse('model_attributes_type', NOT_A_MODEL, value, loc);
    const discriminator = `'${name}'`;
    const tag = value[name];
    if (tag === undefined)
      return this.#refuse('union_tag_not_found', `Unable to extract tag using discriminator ${discriminator}`, value, loc, {
        discriminator,
      });
    const shape = typeof tag === 'string' ? by[tag] : undefined;
    if (shape !== undefined) return this.read(shape, value, [...loc, String(tag)]);
    const expected = Object.keys(by)
      .map((key) => `'${key}'`)
      .join(', ');
    const msg = `Input tag '${String(tag)}' found using ${discriminator} does not match any of the expected tags: ${expected}`;
    return this.#refuse('union_tag_invalid', msg, value, loc, { discriminator, tag, expected_tags: expected });
  }

  #instance(name: string, value: unknown, loc: Path): unknown {
    if (name === 'Sequence' && Array.isArray(value)) return value;
    if (name === 'Sequence' && typeof value === 'string')
      return this.#refuse('sequence_str', "'str' instances are not allowed as a Sequence value", value, loc, { type_name: 'str' });
    return this.#refuse('is_instance_of', `Input should be an instance of ${name}`, value, loc, { class: name });
  }

  #fields(
    fields: Readonly<Record<string, Shape>>,
    value: unknown,
    loc: Path,
    closed: boolean | undefined,
    type: string,
    msg: string,
  ): unknown {
    if (!isObject(value)) return this.#refuse(type, msg, value, loc);
    const read: Record<string, unknown> = { ...value };
    const names = closed ? new Set<string>() : null;
    let count = 0;
    for (const { name, optional, shape } of fieldsOf(fields)) {
      names?.add(name);
      if (name in value) {
        read[name] = this.read(shape, value[name], [...loc, name]);
        count++;
      } else if (!optional) this.#refuse('missing', 'Field required', value, [...loc, name]);
    }
    this.known = (this.known ?? 0) + count;
    if (names === null) return read;
    for (const name of Object.keys(value))
      if (!names.has(name)) this.#refuse('extra_forbidden', 'Extra inputs are not permitted', value[name], [...loc, name]);
    return read;
  }
}
