import type { Card } from '../card/card.ts';
import { Engine } from '../engine/engine.ts';
import { HttpFigures } from '../figures/http-figures.ts';
import { RequestFaults } from '../settings/faults.ts';
import type { Log } from '../settings/log.ts';
import type { MemoryPlan } from '../card/memory.ts';
import { runOutOfMemory, strike } from '../engine/server-faults.ts';
import type { FaultTarget } from '../engine/server-faults.ts';
import type { SimSettings } from '../settings/settings.ts';
import type { Sim } from '../engine/sim.ts';
import { SleepMode } from '../engine/sleep-mode.ts';
import { stepCost } from '../engine/step-time.ts';

/** What a server needs of the process it runs in. */
interface Surroundings extends Pick<FaultTarget, 'killEngineProcess' | 'ignoreSigterm' | 'accept' | 'later'> {
  readonly settings: SimSettings;
  readonly log: Log;
  readonly card: Card;
  /** A request was answered with the engine's death. */
  onDeathRaised(): void;
}

/** Puts a server together that has started: its engine, sized as the memory came out, and what can go wrong with it. */
export function buildSim(plan: MemoryPlan, around: Surroundings): { readonly sim: Sim; readonly target: FaultTarget } {
  const { settings, log, card } = around;
  const { memory } = settings;
  const engine = new Engine({
    maxNumSeqs: memory.maxNumSeqs,
    maxNumBatchedTokens: memory.maxNumBatchedTokens,
    numBlocks: plan.numGpuBlocks,
    blockSize: memory.blockSize,
    prefixCaching: settings.prefixCaching,
    chunkedPrefill: settings.chunkedPrefill,
    watermark: settings.watermark,
    byPriority: settings.byPriority,
    maxModelLen: plan.maxModelLen,
    cost: stepCost(settings.gpu, settings.spec, memory),
    speed: settings.speed,
    countEstimates: settings.mfuMetrics,
    // Beside what is free there is what PyTorch keeps for activations.
    hasRoom: (gib) => card.look().freeGib + plan.activationsGib >= gib,
    onOutOfMemory: (gib) => runOutOfMemory(around, gib),
  });
  const target: FaultTarget = {
    ...around,
    engine,
    requestFaults: new RequestFaults(),
    killEngineProcess: () => {
      // The word of its end takes a moment to get here, in which no token comes any more.
      engine.hung = true;
      around.killEngineProcess();
    },
  };
  const sim: Sim = {
    settings,
    engine,
    sleepMode: new SleepMode(settings, engine, card, plan, log),
    requestFaults: target.requestFaults,
    responses: new Map(),
    http: new HttpFigures(),
    log,
    startedAtS: Date.now() / 1000,
    maxModelLen: plan.maxModelLen,
    stopping: false,
    serverLoad: 0,
    onDeathRaised: () => around.onDeathRaised(),
    strike: (fault, count, afterTokens) => strike(target, fault, count, afterTokens),
  };
  return { sim, target };
}
