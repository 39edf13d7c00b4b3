import { pythonRepr } from '../python/values.ts';
import type { Bounds } from './shapes.ts';

/** Why a value is not of a kind: pydantic's name for it, its words, and what it adds. */
export interface Refused {
  readonly type: string;
  readonly msg: string;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** A value of the right kind; `exact`: it was one already, and not only means one. */
export interface Taken {
  readonly value: unknown;
  readonly exact: boolean;
}

export type Read = Taken | Refused;

export function isTaken(read: Read): read is Taken {
  return 'exact' in read;
}

const INT_WORDS = /^\s*[-+]?\d+(?:\.0+)?\s*$/;
const TRUE_WORDS = /^(?:true|1|yes|on|t|y)$/i;
const FALSE_WORDS = /^(?:false|0|no|off|f|n)$/i;
const TWO_TO_63 = 2 ** 63;

export function readInt(value: unknown, bounds: Bounds = {}): Read {
  // Too large for a number of JavaScript's to be exact.
  if (typeof value === 'bigint') return bounded(value, true, bounds);
  if (typeof value === 'boolean') return { value: Number(value), exact: false };
  if (typeof value === 'string') {
    if (INT_WORDS.test(value)) return bounded(Number(value), false, bounds);
    return { type: 'int_parsing', msg: 'Input should be a valid integer, unable to parse string as an integer' };
  }
  if (typeof value !== 'number') return { type: 'int_type', msg: 'Input should be a valid integer' };
  if (!Number.isFinite(value)) return { type: 'finite_number', msg: 'Input should be a finite number' };
  if (!Number.isInteger(value))
    return { type: 'int_from_float', msg: 'Input should be a valid integer, got a number with a fractional part' };
  // So large a number is written with an exponent, which makes it a float to Python: of such pydantic takes none beyond 64 bits.
  if (Math.abs(value) >= 1e21)
    return { type: 'int_parsing_size', msg: 'Unable to parse input string as an integer, exceeded maximum size' };
  return bounded(value, true, bounds);
}

export function readFloat(value: unknown, bounds: Bounds = {}): Read {
  if (typeof value === 'boolean') return { value: Number(value), exact: false };
  if (typeof value === 'string') {
    if (value.trim() !== '' && !Number.isNaN(Number(value))) return bounded(Number(value), false, bounds);
    return { type: 'float_parsing', msg: 'Input should be a valid number, unable to parse string as a number' };
  }
  if (typeof value !== 'number') return { type: 'float_type', msg: 'Input should be a valid number' };
  return bounded(value, true, bounds);
}

export function readBool(value: unknown): Read {
  if (typeof value === 'boolean') return { value, exact: true };
  if (value === 1 || (typeof value === 'string' && TRUE_WORDS.test(value))) return { value: true, exact: false };
  if (value === 0 || (typeof value === 'string' && FALSE_WORDS.test(value))) return { value: false, exact: false };
  if (typeof value === 'string' || typeof value === 'number')
    return { type: 'bool_parsing', msg: 'Input should be a valid boolean, unable to interpret input' };
  return { type: 'bool_type', msg: 'Input should be a valid boolean' };
}

export function readText(value: unknown, { min_length: least, max_length: most }: Bounds = {}): Read {
  if (typeof value !== 'string') return { type: 'string_type', msg: 'Input should be a valid string' };
  const characters = (count: number): string => `${count} character${count === 1 ? '' : 's'}`;
  if (least !== undefined && value.length < least)
    return { type: 'string_too_short', msg: `String should have at least ${characters(least)}`, ctx: { min_length: least } };
  if (most !== undefined && value.length > most)
    return { type: 'string_too_long', msg: `String should have at most ${characters(most)}`, ctx: { max_length: most } };
  return { value, exact: true };
}

/** One of some values; `kind`: a `Literal` of Python's or an `Enum`. */
export function readOneOf(value: unknown, expected: readonly unknown[], kind: 'literal_error' | 'enum'): Read {
  if (expected.includes(value)) return { value, exact: true };
  const listed = orList(expected.map(pythonRepr));
  return { type: kind, msg: `Input should be ${listed}`, ctx: { expected: listed } };
}

/** `a, b or c` */
function orList(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`;
}

function bounded(value: number | bigint, exact: boolean, { ge, gt, le, lt }: Bounds): Read {
  const beyond = (type: string, words: string, name: string, bound: number): Refused => ({
    type,
    msg: `Input should be ${words} ${exactly(bound)}`,
    ctx: { [name]: exactly(bound) },
  });
  if (ge !== undefined && !(value >= ge)) return beyond('greater_than_equal', 'greater than or equal to', 'ge', ge);
  if (gt !== undefined && !(value > gt)) return beyond('greater_than', 'greater than', 'gt', gt);
  if (le !== undefined && !(value <= exactly(le))) return beyond('less_than_equal', 'less than or equal to', 'le', le);
  if (lt !== undefined && !(value < lt)) return beyond('less_than', 'less than', 'lt', lt);
  return { value: Number(value), exact };
}

/** The largest integer of 64 bits is no number of JavaScript's. */
function exactly(bound: number): number | bigint {
  return bound === TWO_TO_63 ? 2n ** 63n - 1n : bound;
}
