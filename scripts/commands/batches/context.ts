import type { Writable } from 'node:stream';
import type { Clock } from '../../../gateway/core/clock.ts';
import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import type { StoredApi } from './stored-api.ts';

/** What every program of `headgate batch` has. */
export interface BatchContext {
  /** Looked for when it is needed: files can be compared while nothing runs. */
  readonly api: () => Promise<StoredApi>;
  readonly clock: Clock;
  /** Resolves after so many milliseconds; keeps the process alive. */
  readonly pause: (ms: number) => Promise<void>;
  readonly out: Writable;
  readonly err: Writable;
  /** `err` is a terminal that can take back what it shows. */
  readonly isLive: boolean;
  /** How many letters fit on a line. */
  readonly columns: () => number;
}

/** Says what is wrong. @returns the exit code */
export function failed({ err }: BatchContext, message: string): number {
  err.write(`headgate: ${plainText(message)}\n`);
  return 1;
}

/** A line for people on standard error. */
export function note({ err }: BatchContext, message: string): void {
  err.write(`headgate: ${plainText(message)}\n`);
}
