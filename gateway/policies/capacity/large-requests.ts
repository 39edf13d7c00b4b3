import type { Call } from '../../core/call.ts';
import { servedAs } from '../../core/pools/served-name.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';

/** Prompts estimated above this go only to workers that can take them. */
export const LARGE_PROMPT_TOKENS = 8_000;
/** A rough measure for text of any kind; exact counts are the worker's. */
const CHARS_PER_TOKEN = 4;

/** It counts as long enough. */
const UNKNOWN = Infinity;

/**
 * Of workers that serve the same model with different context lengths (a degraded replica, a smaller GPU) those that a large request fits.
 * When it seems to fit none, those with the longest context: the worker's own refusal tells the client more than ours could.
 * Returns the list itself when nothing is to be left out.
 */
export function fittingWorkers(workers: readonly Worker[], call: Call, directory: Pick<WorkerDirectory, 'resolve'>): readonly Worker[] {
  const promptTokens = call.peek.promptChars / CHARS_PER_TOKEN;
  if (promptTokens <= LARGE_PROMPT_TOKENS || workers.length < 2) return workers;
  const neededTokens = promptTokens + (call.peek.maxTokens ?? 0);
  const contextTokens = (worker: Worker): number => servedAs(directory, worker, call.model)?.maxModelLen ?? UNKNOWN;
  const fitting = workers.filter((worker) => contextTokens(worker) >= neededTokens);
  if (fitting.length > 0) return fitting.length === workers.length ? workers : fitting;
  const longest = Math.max(...workers.map(contextTokens));
  return workers.filter((worker) => contextTokens(worker) === longest);
}
