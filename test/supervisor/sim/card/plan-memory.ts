import type { SimulatedGpu } from '../../../../supervisor/sim/card/simulated-gpu.ts';
import type { MemoryFailure } from '../../../../supervisor/sim/card/memory-failure.ts';
import { memoryDemands } from '../../../../supervisor/sim/card/memory-plan.ts';
import type { MemoryPlan, MemorySettings } from '../../../../supervisor/sim/card/memory.ts';
import type { SimulatedModel } from '../../../../supervisor/sim/model/simulated-model.ts';

/** What a start comes to, as far as memory goes, on a card on which others hold `takenGib` from the beginning to the end. */
export function planMemory(gpu: SimulatedGpu, model: SimulatedModel, settings: MemorySettings, takenGib = 0): MemoryPlan | MemoryFailure {
  const demands = memoryDemands(gpu, model, settings);
  let ownGib = 0;
  let next = demands.next();
  while (next.done !== true) {
    const granted = next.value.holdGib + takenGib <= gpu.memoryGib;
    if (granted) ownGib = next.value.holdGib;
    const freeGib = gpu.memoryGib - takenGib - ownGib;
    next = demands.next({ granted, freeGib, ownGib, totalGib: gpu.memoryGib, others: takenGib > 0 ? [{ pid: null, gib: takenGib }] : [] });
  }
  return next.value;
}
