import type { StoreTrouble } from './words.ts';

/** The store could not be asked, or did not answer in time: whether it has done what it was told is not known. */
export class StoreFailed extends Error {
  readonly trouble: StoreTrouble;

  /** What it is that could not be asked. */
  readonly kind: 'file' | 'server';

  constructor(trouble: StoreTrouble, message: string, kind: 'file' | 'server' = 'file') {
    super(message);
    this.trouble = trouble;
    this.kind = kind;
  }
}
