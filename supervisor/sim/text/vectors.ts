import { chance } from './prose.ts';

/** What one token adds to a vector: the same numbers every time, between -1 and 1. */
const perToken = new Map<number, Float32Array>();
const MAX_REMEMBERED = 4096;

function directionOf(id: number, dimensions: number): Float32Array {
  const known = perToken.get(id);
  if (known !== undefined && known.length === dimensions) return known;
  const next = chance(id);
  const direction = Float32Array.from({ length: dimensions }, () => next() * 2 - 1);
  if (perToken.size < MAX_REMEMBERED) perToken.set(id, direction);
  return direction;
}

/** A vector of length one for some tokens. Texts that share words point in similar directions; the same text gives the same vector. */
export function embed(ids: readonly number[], dimensions: number): Float32Array {
  const sum = new Float32Array(dimensions);
  for (const id of ids) {
    const direction = directionOf(id, dimensions);
    for (let i = 0; i < dimensions; i++) sum[i]! += direction[i]!;
  }
  return normalized(sum);
}

/** The first `dimensions` numbers of a vector, brought back to length one. */
export function shortened(vector: Float32Array, dimensions: number): Float32Array {
  return normalized(vector.slice(0, dimensions));
}

function normalized(vector: Float32Array): Float32Array {
  let square = 0;
  for (const value of vector) square += value * value;
  if (square === 0) return vector.fill(0).fill(1, 0, 1);
  const length = Math.sqrt(square);
  return vector.map((value) => value / length);
}

/** How alike two vectors of length one are, -1..1. */
export function likeness(one: Float32Array, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i]! * other[i]!;
  return sum;
}
