import type { PlannedModel } from '../plan/plan.ts';
import type { TurnRules } from '../slot/state.ts';
import type { SupervisionPolicy } from '../system/policy.ts';

/** How a model takes turns: as its own rules say, or else as is usual. */
export function turnRules({ swap }: PlannedModel, policy: SupervisionPolicy): TurnRules {
  return {
    sleeps: swap.sleep !== null,
    dwellMs: swap.dwellMs ?? policy.dwellMs,
    idleUnloadMs: swap.idleUnloadMs === undefined ? policy.idleUnloadMs : swap.idleUnloadMs,
  };
}
