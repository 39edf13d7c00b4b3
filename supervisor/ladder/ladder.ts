import type { Degradation, RefusedFeature } from '../../gateway/core/worker.ts';
import { RUNGS } from './rungs.ts';
import type { Change, LadderLimits, LadderQuestion, Relaxation, Setup } from './step.ts';

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
function isKnown(change: Change, { knownFlags }: LadderLimits): boolean {
  return change.kind !== 'engine' || knownFlags === null || knownFlags.has(`--${change.key.replaceAll('_', '-')}`);
}

function isTaken(step: Degradation, taken: readonly Relaxation[]): boolean {
  return taken.some(({ setting, from, to }) => setting === step.setting && from === step.from && to === step.to);
}

/** The setup with these steps applied, in their order. */
export function relax(setup: Setup, steps: readonly Relaxation[]): Setup {
  return steps.reduce<Setup>((current, { change }) => {
    switch (change.kind) {
      case 'engine':
        return { ...current, engine: { ...current.engine, [change.key]: change.value } };
      case 'env':
        return { ...current, env: { ...current.env, [change.key]: change.value } };
      case 'source':
        return { ...current, source: change.value };
      case 'refusal':
        return current;
    }
  }, setup);
}

/** What the gateway is to keep away from a worker with these steps. */
export function refusedFeatures(steps: readonly Relaxation[]): readonly RefusedFeature[] {
  return steps.flatMap(({ change }) => (change.kind === 'refusal' ? [change.feature] : []));
}

/** One entry a setting, from what the profile asks for to what is in force, with the reason of the last step. */
export function summarize(steps: readonly Relaxation[]): readonly Degradation[] {
  const bySetting = new Map<string, Degradation>();
  for (const { setting, from, to, reason } of steps)
    bySetting.set(setting, { setting, from: bySetting.get(setting)?.from ?? from, to, reason });
  return [...bySetting.values()];
}
