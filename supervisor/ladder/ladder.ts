import type { Degradation } from '../../gateway/core/worker.ts';
import type { Failure } from '../failure/failure.ts';
import type { FailureClass } from '../failure/table.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import { RUNGS } from './rungs.ts';
import type { LadderLimits, LadderQuestion, Relaxation, SettingChange, Wanted } from './step.ts';
import { relax } from './step.ts';

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

/** A failure, and what is known around it. */
export interface Setback {
  readonly failure: Failure;
  /** How long the worker had served; null: it did not. Milliseconds. */
  readonly servedMs: number | null;
  /** Memory that somebody else holds has been waited for long enough. */
  readonly patienceOver: boolean;
}

/**
 * Where a failure leads on its ladder; null: nowhere. What has borne the longest time of serving has shown that it is enough for all but
 * the rarest request: such a failure costs a restart, and no setting. `wanted`: null where the worker cannot run at all.
 */
export function answer(
  policy: SupervisionPolicy,
  wanted: Wanted | null,
  footing: Footing,
  { failure, servedMs, patienceOver }: Setback,
): { readonly footing: Footing; readonly change: 'relaxed' | 'relapsed' } | null {
  const relapsed = relapse(policy, footing, failure.class, servedMs);
  if (relapsed) return { footing: relapsed, change: 'relapsed' };
  const isProven = (servedMs ?? 0) >= Math.max(...policy.climbHoldMs) && footing.steps.some((step) => step.class === failure.class);
  if (isProven || !wanted) return null;
  const { steps: taken } = footing;
  const evidence = { ...failure.evidence, patienceOver };
  const step = nextStep({ class: failure.class, setup: relax(wanted.setup, taken), limits: wanted.limits, evidence, taken });
  return step && { footing: { ...footing, steps: [...taken, step], climbed: null }, change: 'relaxed' };
}

/**
 * What to relax next after a failure of this class; null when the class has no ladder, its ladder is exhausted, or relaxing would not be
 * the answer yet. Never a setting that plays no part in the class, never the same step twice. Pure.
 */
export function nextStep(question: LadderQuestion): Relaxation | null {
  for (const rung of RUNGS[question.class] ?? []) {
    const step = rung(question);
    if (step && isKnown(step.change, question.limits) && !isTaken(step, question.taken)) return { ...step, class: question.class };
  }
  return null;
}

/** A flag that an older vLLM does not know would turn a failure into one that is never tried again. */
function isKnown(change: SettingChange, { knownFlags }: LadderLimits): boolean {
  return change.kind !== 'engine' || knownFlags === null || knownFlags.has(`--${change.key.replaceAll('_', '-')}`);
}

function isTaken(step: Degradation, taken: readonly Relaxation[]): boolean {
  return taken.some(({ setting, from, to }) => setting === step.setting && from === step.from && to === step.to);
}

/** A step that was on trial comes back when its failure does; then it stays longer. */
function relapse(policy: SupervisionPolicy, footing: Footing, failureClass: FailureClass, servedMs: number | null): Footing | null {
  const { climbed } = footing;
  if (climbed?.class !== failureClass || (servedMs ?? 0) >= policy.relapseMs) return null;
  return { ...footing, steps: [...footing.steps, climbed], climbed: null, relapses: footing.relapses + 1 };
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
