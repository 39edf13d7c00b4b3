import type { PromptSource } from '../workload/prompts.ts';
import { runLoad } from './run-load.ts';
import type { Target } from './target.ts';

/** Numbers of warm-up calls lie beyond those of any run, so that no prompt of theirs comes again. */
const WARM_UP_INDEX = 1_000_000_000;
const AT_ONCE = 8;

/**
 * Calls to each server and model that do not count, so many to each. @throws Error in words where one fails: there is nothing to measure. A
 * server that is full is no failure, nor is an interruption.
 */
export async function warmUp(
  targets: readonly Target[],
  prompts: PromptSource,
  { warmup, seed }: { readonly warmup: number; readonly seed: number },
  signal: AbortSignal,
): Promise<void> {
  if (warmup === 0) return;
  const each = new Map(targets.map((target) => [`${target.base} ${target.model}`, target]));
  for (const [at, target] of [...each.values()].entries()) {
    const pace = { kind: 'closed', clients: Math.min(warmup, AT_ONCE), calls: warmup, forMs: Infinity } as const;
    const firstIndex = WARM_UP_INDEX + at * warmup;
    const { records } = await runLoad({ target, pace, prompts, seed, cancelShare: 0, firstIndex }, { signal });
    const failed = records.find(({ outcome }) => outcome !== 'ok' && outcome !== 'refused' && outcome !== 'unfinished');
    if (failed === undefined) continue;
    const how = [failed.status || null, failed.code].filter((part) => part !== null).join(' ');
    throw new Error(`The first call for ${target.model} to ${target.base} failed (${how}); nothing was measured.`);
  }
}
