import type { Each, LeafRule } from './rule.ts';

/** A rule for all that a type has, whether or not it is always there: of a field that is new it has to be decided what of it may go out. */
export type RuleOf<T> = Of<NonNullable<T>>;

type Of<T> = [T] extends [readonly (infer Item)[]]
  ? LeafRule | readonly [RuleOf<Item>]
  : [T] extends [string | number | boolean]
    ? LeafRule
    : string extends keyof T
      ? Each
      : { readonly [Field in keyof T]-?: RuleOf<T[Field]> };
