import type { WorkerDirectory } from '../core/worker.ts';
import { canServe } from '../core/worker.ts';

interface Readiness {
  /** Whether any worker has ever been ready. */
  everReady(): boolean;
  /** Whether the default model could ever be served. */
  isReady(): boolean;
  /** Resolves when the default model can be served for the first time. */
  readonly first: Promise<void>;
  close(): void;
}

/**
 * Watches the workers for the first that is ready, and for the first that serves the default model. `wasReady`: one was, before this
 * process took the place of another.
 */
export function watchReadiness(directory: WorkerDirectory, wasReady = false): Readiness {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  let everReady = wasReady;
  let isReady = false;
  function check(): void {
    everReady ||= directory.workers().some(({ view }) => view.state === 'ready');
    const model = directory.resolve(null);
    if (!model || !canServe(directory, model)) return;
    isReady = true;
    resolve();
  }
  const close = directory.onChange(check);
  check();
  return { everReady: () => everReady, isReady: () => isReady, first, close };
}
