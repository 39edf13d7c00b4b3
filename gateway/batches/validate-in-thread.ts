import { Worker } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import type { LineRow } from '../state/store/batch-terms.ts';
import type { OpenBytes } from '../state/store/file-bytes.ts';
import { ReadAhead } from './read-ahead.ts';
import type { Found } from './validation.ts';
import type { ValidationAsked, ValidationHeard, ValidationTold } from './validation-words.ts';

/** Far more than the largest file takes on the slowest disk. */
const LIMIT_MS = 900_000;
/** Of memory for what is young; the flags of the process would give it as much as the thread that streams. */
const YOUNG_MB = 12;

/**
 * Validates an input file in a thread of its own, which ends with it. It is given the bytes as it asks for them, whoever holds them. Rows come
 * in groups, the next when the last has been put away.
 * @param onRows false: they are not wanted any more
 * @param cancelled aborts at once
 * @returns null: it was given up @throws what the bytes and the two hearers do, and where the thread ended
 */
export async function validateInThread(
  asked: ValidationAsked,
  bytes: OpenBytes,
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
  const ended = endOf(thread);
  const blocks = new ReadAhead(bytes);
  const limit = clock.after(LIMIT_MS, () => void thread.terminate());
  const stop = (): void => void thread.terminate();
  cancelled.addEventListener('abort', stop, { once: true });
  try {
    let told = await next(thread, ended);
    while (told.kind === 'reads') {
      const block = await blocks.next(told.used);
      if (cancelled.aborted) return null;
      say(thread, { kind: 'block', block });
      told = await next(thread, ended);
    }
    if (told.kind !== 'found') return null;
    const { found } = told;
    if (!(await onFound(found)) || found.errors !== null) return found;
    for (;;) {
      say(thread, { kind: 'more' });
      const rows = await next(thread, ended);
      if (rows.kind !== 'rows') return null;
      if (rows.rows.length === 0) return found;
      if (!(await onRows(rows.rows)) || cancelled.aborted) return null;
    }
  } catch (error) {
    if (cancelled.aborted) return null;
    throw error;
  } finally {
    limit.cancel();
    cancelled.removeEventListener('abort', stop);
    void thread.terminate();
    await blocks.idle();
  }
}

/** A block is the thread's from then on: it is not copied. */
function say(thread: Worker, heard: ValidationHeard): void {
  const isBlock = heard.kind === 'block' && heard.block !== null;
  thread.postMessage(heard, isBlock ? [heard.block!.buffer as ArrayBuffer] : []);
}

/** What the thread says next. @throws where it has ended, whenever that was */
function next(thread: Worker, ended: Promise<never>): Promise<ValidationTold> {
  return Promise.race([new Promise<ValidationTold>((resolve) => void thread.once('message', resolve)), ended]);
}

/** Rejects when it ends, whatever is waited for at that time. */
function endOf(thread: Worker): Promise<never> {
  const ended = new Promise<never>((_, reject) => {
    thread.once('error', (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))));
    thread.once('exit', () => reject(new Error(`its thread ended, or took longer than ${LIMIT_MS / 60_000} minutes`)));
  });
  ended.catch(() => {});
  return ended;
}
