import { Worker } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import type { LineRow } from '../state/store/batch-terms.ts';
import type { Found } from './validation.ts';
import { MORE, type ValidationAsked, type ValidationTold } from './validation-words.ts';

/** Far more than the largest file takes on the slowest disk. */
const LIMIT_MS = 900_000;
/** Of memory for what is young; the flags of the process would give it as much as the thread that streams. */
const YOUNG_MB = 12;

/** The file could not be read. */
export class Unreadable extends Error {
  /** Of the system, as in ENOENT; null: there is none. */
  readonly code: string | null;

  constructor(code: string | null, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Validates an input file in a thread of its own, which ends with it. Rows come in groups, the next when the last has been put away.
 * @param onRows false: they are not wanted any more
 * @param cancelled aborts at once
 * @returns null: it was given up @throws Unreadable, and what `onRows` throws
 */
export async function validateInThread(
  asked: ValidationAsked,
  clock: Clock,
  cancelled: AbortSignal,
  onFound: (found: Found) => boolean | Promise<boolean>,
  onRows: (rows: readonly LineRow[]) => Promise<boolean>,
): Promise<Found | null> {
  if (cancelled.aborted) return null;
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const thread = new Worker(new URL(`./validation-thread.${extension}`, import.meta.url), {
    workerData: asked,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  thread.unref();
  const limit = clock.after(LIMIT_MS, () => void thread.terminate());
  const stop = (): void => void thread.terminate();
  cancelled.addEventListener('abort', stop, { once: true });
  try {
    const found = await next(thread);
    if (found === null || found.kind !== 'found') return null;
    if (!(await onFound(found.found)) || found.found.errors !== null) return found.found;
    for (;;) {
      thread.postMessage(MORE);
      const told = await next(thread);
      if (told === null || told.kind !== 'rows') return null;
      if (told.rows.length === 0) return found.found;
      if (!(await onRows(told.rows)) || cancelled.aborted) return null;
    }
  } catch (error) {
    if (cancelled.aborted) return null;
    throw error;
  } finally {
    limit.cancel();
    cancelled.removeEventListener('abort', stop);
    void thread.terminate();
  }
}

/** null: its thread was ended. */
function next(thread: Worker): Promise<ValidationTold | null> {
  return new Promise((resolve, reject) => {
    thread.once('message', (told: ValidationTold) => {
      free();
      if (told.kind === 'failed') reject(new Unreadable(told.code, told.message));
      else resolve(told);
    });
    thread.once('error', onError);
    thread.once('exit', onExit);
    function onError(error: unknown): void {
      free();
      reject(new Unreadable(null, error instanceof Error ? error.message : String(error)));
    }
    function onExit(): void {
      free();
      reject(new Unreadable(null, `its thread ended, or took longer than ${LIMIT_MS / 60_000} minutes`));
    }
    function free(): void {
      thread.removeAllListeners('message');
      thread.off('error', onError);
      thread.off('exit', onExit);
    }
  });
}
