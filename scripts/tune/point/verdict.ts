import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import type { WorkerView } from '../../../gateway/core/worker.ts';
import type { Point } from '../grid/axes.ts';

/** What a look at the supervisor of a point says of it. */
export type Look =
  | { readonly kind: 'starting'; readonly stage: string }
  | { readonly kind: 'ready'; readonly workerUrl: string }
  | { readonly kind: 'over'; readonly outcome: 'oom' | 'failed'; readonly failureClass: string; readonly reason: string };

/** Memory is short, one way or the other. */
const OUT_OF_MEMORY = /^(oom-|kv-too-small$)/;
/** Memory that another process still gives back is waited for, by the supervisor itself. */
const PASSING: ReadonlySet<string> = new Set(['busy-vram']);

/**
 * Judges a point by what its supervisor tells. The supervisor answers an engine that runs out of memory by relaxing its settings: what then
 * serves is another point, so the first failure is the last, and so is any setting that it has changed.
 */
export function judge({ workers, models }: SupervisorSnapshot, point: Point): Look {
  const [worker] = workers;
  const [model] = models;
  if (worker === undefined) {
    if (model?.state === 'failed') return failed('refused', model.reason ?? 'The supervisor cannot launch it.');
    return { kind: 'starting', stage: 'planning' };
  }
  const { degradation, lastFailure, restarts, state } = worker;
  if (lastFailure !== null && !PASSING.has(lastFailure.class)) {
    const reason = `${lastFailure.message}${lastFailure.advice ? ` ${lastFailure.advice}` : ''}`;
    if (OUT_OF_MEMORY.test(lastFailure.class)) return { kind: 'over', outcome: 'oom', failureClass: lastFailure.class, reason };
    return failed(lastFailure.class, reason);
  }
  const [step] = degradation;
  if (step) {
    const reason = `The supervisor would run it only with ${step.setting} ${step.to} instead of ${step.from}: ${step.reason}`;
    return { kind: 'over', outcome: 'oom', failureClass: 'degraded', reason };
  }
  if (restarts > 0) return failed('restarted', 'Its engine was started again, and nobody says why.');
  if (model?.state === 'failed' || state === 'failed') return failed('refused', model?.reason ?? 'The supervisor has given it up.');
  if (state !== 'ready') return { kind: 'starting', stage: worker.stage ?? state };
  const changed = changedFlag(worker, point);
  return changed === null ? { kind: 'ready', workerUrl: worker.url } : failed('changed', changed);
}

function failed(failureClass: string, reason: string): Look {
  return { kind: 'over', outcome: 'failed', failureClass, reason };
}

/** The flag that the engine was not launched with as the point says, in words; null: none. */
export function changedFlag({ args }: Pick<WorkerView, 'args'>, { flags }: Point): string | null {
  for (const [flag, wanted] of Object.entries(flags)) {
    const name = `--${flag.replaceAll('_', '-')}`;
    const has = flagIn(args, name);
    if (typeof wanted === 'boolean' ? (has !== null) !== wanted : has === null || !isSame(has, wanted))
      return `It was launched with ${has === null ? `no ${name}` : `${name} ${has}`} instead of ${wanted}: something goes before the tuning, or this vLLM does not know the flag.`;
  }
  return null;
}

/** null: absent; '' for a switch. */
function flagIn(args: readonly string[], name: string): string | null {
  const joined = args.find((arg) => arg.startsWith(`${name}=`));
  if (joined !== undefined) return joined.slice(name.length + 1);
  const at = args.lastIndexOf(name);
  if (at === -1) return null;
  const next = args[at + 1];
  return next === undefined || next.startsWith('--') ? '' : next;
}

function isSame(has: string, wanted: number | string): boolean {
  return has === String(wanted) || (typeof wanted === 'number' && Number(has) === wanted);
}
