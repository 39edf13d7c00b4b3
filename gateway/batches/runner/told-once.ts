import type { Log } from '../../core/log/log.ts';
import { StoreFailed } from '../../state/store/store-failed.ts';
import { adviceFor } from '../../state/store/trouble.ts';

const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Tells that batches cannot go on, once, and that they do again. */
export class ToldOnce {
  readonly #log: Pick<Log, 'info' | 'warn'>;
  #told: string | null = null;

  constructor(log: Pick<Log, 'info' | 'warn'>) {
    this.#log = log;
  }

  failed(error: unknown): void {
    const what = said(error);
    if (this.#told === what) return;
    this.#told = what;
    this.#log.warn(
      'batch.trouble',
      `${what} No line of a batch is lost: results wait in memory, nothing new is started, and it is tried again.`,
    );
  }

  /** @returns whether there was trouble before */
  recovered(): boolean {
    if (this.#told === null) return false;
    this.#told = null;
    this.#log.info('batch.trouble', 'Batches go on.');
    return true;
  }
}

function said(error: unknown): string {
  const { message, code = '' } = error as NodeJS.ErrnoException;
  if (error instanceof StoreFailed) {
    return `Batches are at a standstill: the database does not do what it is asked (${message}). What helps: ${adviceFor(error.trouble, error.kind)}.`;
  }
  if (NO_ROOM.has(code))
    return 'Batches are at a standstill: there is no room left on the disk that files.dir lies on. Delete files, or make room.';
  return `Batches are at a standstill: their results cannot be written (${message}).`;
}
