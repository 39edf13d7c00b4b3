import { runLoad } from '../../load/calls/run-load.ts';
import type { Target } from '../../load/calls/target.ts';
import type { PromptSource } from '../../load/workload/prompts.ts';

/** Numbers of warm-up calls lie beyond those of any slot, so that no prompt of theirs comes again. */
const WARM_UP_INDEX = 1_000_000_000;
const AT_ONCE = 8;

/** Calls to each server and model that do not count. @throws Error in words where one fails: there is nothing to compare */
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
    throw new Error(`The first call for ${target.model} to ${target.base} failed (${how}); nothing was compared.`);
  }
}
