import TABLE from './shapes-0.32.0.json' with { type: 'json' };

/** Bounds of a number or a text, under pydantic's names. */
export interface Bounds {
  readonly ge?: number;
  readonly gt?: number;
  readonly le?: number;
  readonly lt?: number;
  readonly min_length?: number;
  readonly max_length?: number;
}

type Fields = Readonly<Record<string, Shape>>;

/** What a value may be. Names of fields that may be left out end in `?`. */
export type Shape =
  | 'any'
  | 'bool'
  | 'none'
  | 'int'
  | 'float'
  | 'str'
  | { readonly int: Bounds }
  | { readonly float: Bounds }
  | { readonly str: Bounds }
  | { readonly literal: readonly (string | number | boolean)[] }
  | { readonly enum: readonly (string | number)[] }
  | { readonly null: Shape }
  | { readonly list: Shape; readonly min_length?: number; readonly max_length?: number }
  /** Its items are looked at when they are needed, and not before. */
  | { readonly iterable: Shape }
  | { readonly dict: readonly [Shape, Shape] }
  /** Each with the name that problems below it bear; null for none. */
  | { readonly union: readonly (readonly [string | null, Shape])[] }
  | { readonly tagged: string; readonly by: Fields }
  | { readonly instance: string }
  | { readonly model: Fields; readonly closed?: boolean }
  | { readonly typed: Fields; readonly closed?: boolean }
  | { readonly dataclass: Fields }
  | { readonly ref: string };

const { bodies, shapes } = TABLE as unknown as { readonly bodies: Fields; readonly shapes: Fields };

/** The version of vLLM whose request models these are; `scripts/vllm/body-shapes.py` writes the table from an installed one. */
export const SHAPES_VERSION: string = TABLE.version;

/** The bodies that are known. */
export type BodyName =
  | 'chat'
  | 'batch'
  | 'completion'
  | 'response'
  | 'message'
  | 'count'
  | 'embedding'
  | 'cohere-embed'
  | 'pooling'
  | 'classify'
  | 'score'
  | 'rerank'
  | 'tokenize'
  | 'detokenize';

export function bodyShape(name: BodyName): Shape {
  return bodies[name]!;
}

export function namedShape(name: string): { readonly name: string; readonly shape: Shape } {
  // Two classes of one name are told apart by a number.
  return { name: name.replace(/~\d+$/, ''), shape: shapes[name]! };
}
