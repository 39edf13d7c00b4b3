import { namedShape, type Shape } from './shapes.ts';

interface Field {
  readonly name: string;
  readonly optional: boolean;
  readonly shape: Shape;
}

const READ = new WeakMap<object, readonly Field[]>();

/** The fields of a shape, their names without the mark of those that may be left out. */
export function fieldsOf(fields: Readonly<Record<string, Shape>>): readonly Field[] {
  let read = READ.get(fields);
  if (read === undefined) {
    read = Object.entries(fields).map(([written, shape]) => {
      const optional = written.endsWith('?');
      return { name: optional ? written.slice(0, -1) : written, optional, shape };
    });
    READ.set(fields, read);
  }
  return read;
}

/** A field that is one of a few values, or the shape is another. */
interface Sign {
  readonly name: string;
  readonly values: readonly unknown[];
}

const SIGNS = new WeakMap<object, readonly Sign[]>();

/** By which fields a shape is told from others at a glance: those that it must have, and of which it knows every value. */
function signsOf(shape: Shape): readonly Sign[] {
  if (typeof shape === 'string') return [];
  let signs = SIGNS.get(shape);
  if (signs === undefined) {
    const known = 'ref' in shape ? namedShape(shape.ref).shape : shape;
    const fields = typeof known === 'string' ? {} : 'typed' in known ? known.typed : 'model' in known ? known.model : {};
    signs = fieldsOf(fields).flatMap(({ name, optional, shape: inner }) =>
      !optional && typeof inner === 'object' && 'literal' in inner ? [{ name, values: inner.literal }] : [],
    );
    SIGNS.set(shape, signs);
  }
  return signs;
}

/** false: a glance tells that the value is not of that shape. */
export function mayBe(shape: Shape, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return signsOf(shape).every(({ name, values }) => values.includes((value as Readonly<Record<string, unknown>>)[name]));
}
