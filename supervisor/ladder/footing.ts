import type { FailureClass } from '../failure/table.ts';
import type { Relaxation } from './step.ts';
import type { SupervisionPolicy } from '../system/policy.ts';

/** Where on its ladders a worker stands. */
export interface Footing {
  /** Steps in force, oldest first. */
  readonly steps: readonly Relaxation[];
  /** The step that the last restart has taken back, as long as it has yet to prove itself. */
  readonly climbed: Relaxation | null;
  /** How often taking a step back has failed: each doubles the time before the next try, and the last forbids it. */
  readonly relapses: number;
  /** How long the last life has served. */
  readonly servedMs: number;
  /** The next restart takes all of them back: they were taken for another version of vLLM, or an operator wants it. */
  readonly outdated: boolean;
}

export const LEVEL_GROUND: Footing = { steps: [], climbed: null, relapses: 0, servedMs: 0, outdated: false };

/** relaxed: a step was taken · relapsed: one was taken back too early · restored: one was taken back · reset: all were. */
export type FootingChange = 'relaxed' | 'relapsed' | 'restored' | 'reset';

/**
 * Where a failure leads on its ladder; null: nowhere. `relief`: the step down that there is against it. What has borne the longest time of
 * serving has shown that it is enough for all but the rarest request: such a failure costs a restart, and no setting.
 */
export function answer(
  policy: SupervisionPolicy,
  footing: Footing,
  failureClass: FailureClass,
  relief: Relaxation | null,
  servedMs: number | null,
): { readonly footing: Footing; readonly change: 'relaxed' | 'relapsed' } | null {
  const relapsed = relapse(policy, footing, failureClass, servedMs);
  if (relapsed) return { footing: relapsed, change: 'relapsed' };
  const isProven = (servedMs ?? 0) >= Math.max(...policy.climbHoldMs) && footing.steps.some((step) => step.class === failureClass);
  return relief && !isProven ? { footing: descend(footing, relief), change: 'relaxed' } : null;
}

/** A step that was on trial comes back when its failure does; then it stays longer. */
function relapse(policy: SupervisionPolicy, footing: Footing, failureClass: FailureClass, servedMs: number | null): Footing | null {
  const { climbed } = footing;
  if (climbed?.class !== failureClass || (servedMs ?? 0) >= policy.relapseMs) return null;
  return { ...footing, steps: [...footing.steps, climbed], climbed: null, relapses: footing.relapses + 1 };
}

function descend(footing: Footing, step: Relaxation): Footing {
  return { ...footing, steps: [...footing.steps, step], climbed: null };
}

/** Noted when a worker stops serving: for how long it did. A step on trial has passed when it was long enough. */
export function served(policy: SupervisionPolicy, footing: Footing, servedMs: number): Footing {
  return { ...footing, servedMs, climbed: servedMs >= policy.relapseMs ? null : footing.climbed };
}

/**
 * What a restart that happens anyway may take back: everything when vLLM has changed, one step after a long enough time of serving,
 * else nothing. Nobody restarts a worker just for this.
 */
export function climb(policy: SupervisionPolicy, footing: Footing): { footing: Footing; change: FootingChange | null } {
  const rested: Footing = { ...footing, servedMs: 0 };
  if (footing.outdated) return { footing: LEVEL_GROUND, change: footing.steps.length > 0 ? 'reset' : null };
  const holdMs = policy.climbHoldMs[footing.relapses];
  const last = footing.steps.at(-1);
  // After the last relapse of the row the step is pinned.
  if (!last || holdMs === undefined || footing.servedMs < holdMs) return { footing: rested, change: null };
  return { footing: { ...rested, steps: footing.steps.slice(0, -1), climbed: last }, change: 'restored' };
}
