import { isDeepStrictEqual } from 'node:util';

/** What is told again only when it is other than it was told last. @returns null where it is the same */
export function news<T>(): (now: T) => T | null {
  let last: T | null = null;
  return (now) => {
    if (isDeepStrictEqual(now, last)) return null;
    last = now;
    return now;
  };
}
