import type { StoreTrouble } from './words.ts';

/** The store could not be asked, or did not answer in time: whether it has done what it was told is not known. */
export class StoreFailed extends Error {
  readonly trouble: StoreTrouble;

  constructor(trouble: StoreTrouble, message: string) {
    super(message);
    this.trouble = trouble;
  }
}
