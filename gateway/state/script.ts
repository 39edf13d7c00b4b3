import { createHash } from 'node:crypto';

/** A program that runs in the store, in one step. */
export interface Script<T> {
  readonly text: string;
  /** How the server knows it. */
  readonly sha: string;
  /** What its answer says; undefined: it is no answer of this script. */
  read(reply: unknown): T | undefined;
}

export function script<T>(text: string, read: (reply: unknown) => T | undefined): Script<T> {
  return { text, sha: createHash('sha1').update(text).digest('hex'), read };
}
