import type { FleetPlan } from './plan.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import { removedVariables } from '../profile/removed-flags.ts';

/** Tells the operator what was decided about their settings before anything is started. */
export function logPlan(log: Log, plan: FleetPlan, env: Readonly<Record<string, string | undefined>>): void {
  for (const warning of removedVariables(env)) log.warn('supervisor.plan', warning);
  const { engine, problem } = plan.decision;
  if (problem !== null) {
    const instead = engine === 'sim' ? 'The simulated engine is started instead' : 'vLLM is started without knowing them';
    log.warn('supervisor.plan', `The GPUs cannot be used: ${problem}. ${instead}; headgate doctor tells more.`);
  }
  for (const { spec, swap } of plan.workers[0]?.models.values() ?? [])
    if (swap.hindrance !== null)
      log.warn('supervisor.plan', `${spec.modelId} ends when another model is wanted, and does not sleep: ${swap.hindrance}.`, {
        model: spec.modelId,
      });
  plan.choices.forEach((choice, index) => {
    const model = plan.models[index]?.id ?? '';
    if (choice.kind === 'refused') return log.warn('supervisor.plan', choice.reason, { model });
    for (const note of choice.notes) log.info('supervisor.plan', note, { model });
    if (choice.fit?.verdict === 'no') log.warn('supervisor.plan', `${model} may not fit. ${choice.fit.reason}`, { model });
  });
}
