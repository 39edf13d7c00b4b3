import { NO_FALLBACKS, type OnlyAt, type Route } from '../call.ts';
import { mayUse, type Principal } from '../principal.ts';
import type { ModelEntry, WorkerDirectory } from '../worker.ts';

/** By which a client is told that another model than the one it asked for has answered, and says (`none`) that none is to. */
export const FALLBACK_HEADER = 'x-headgate-fallback';

/** Whether the header says that no other model is to answer. */
export function keepsModel(wish: string | undefined): boolean {
  return wish?.toLowerCase() === 'none';
}

/** Answers that are true of one model alone: its tokens, and how many there are. */
const OF_ONE_MODEL: ReadonlySet<string> = new Set(['/tokenize', '/detokenize', '/v1/messages/count_tokens']);

/** What is asked. */
interface Asked {
  readonly model: ModelEntry;
  readonly route: Route;
  readonly principal: Principal;
  readonly only: OnlyAt | null;
  /** As the client wrote it in the header. */
  readonly wish: string | undefined;
}

/**
 * The models that may answer a call when its own cannot. A key that may use a pool may use its members through it, whatever their ids:
 * they stand for the same. A fallback is another model, perhaps of another house: it is for keys alone that may use it by its own name.
 */
export function fallbacksOf(
  directory: Pick<WorkerDirectory, 'resolve'>,
  { model, route, principal, only, wish }: Asked,
): readonly string[] {
  const { fallback } = model;
  if (fallback === undefined || only !== null || keepsModel(wish)) return NO_FALLBACKS;
  if (OF_ONE_MODEL.has(route.path) || route.path.endsWith('/render')) return NO_FALLBACKS;
  const open = fallback.filter((id) => {
    const entry = directory.resolve(id);
    return entry?.id === id && mayUse(principal, entry);
  });
  return open.length > 0 ? open : NO_FALLBACKS;
}
