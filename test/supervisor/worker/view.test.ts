import { describe, expect, test } from 'vitest';
import type { Life, Machine } from '../../../supervisor/machine/life.ts';
import { NEW_MACHINE } from '../../../supervisor/machine/life.ts';
import type { Relaxation } from '../../../supervisor/ladder/step.ts';
import type { WorkerShell } from '../../../supervisor/worker/view.ts';
import { toView } from '../../../supervisor/worker/view.ts';
import { failureOf } from '../machine/machine-world.ts';

const FACTS = { id: 'worker-1', profile: 't4', gpuUuids: ['GPU-0'], engine: 'vllm' } as const;
const SHELL: WorkerShell = {
  ...{
    port: 18_000,
    models: [],
    maxNumSeqs: 16,
    scheduling: 'priority' as const,
    args: [],
    logFile: '/logs/worker-1.log',
    startedAtMs: 5,
    failedAtMs: 0,
  },
  ...{
    starts: [{ modelLoadedMs: 50_000, graphsMs: 90_000, totalMs: 100_000 }],
    startEstimateMs: 300_000,
    wakes: [],
    wakeEstimateMs: 2000,
    loads: 1,
  },
};

function viewOf(life: Life, more: Partial<Machine> = {}, nowMs = 1_000_000) {
  return toView(FACTS, { ...NEW_MACHINE, incarnation: 3, ...more, life }, SHELL, nowMs);
}

const process = { pid: 7, spawnedAtMs: 940_000 };
const pulse = {
  ...{ last: null, seenAtMs: 0, movedAtMs: 0, usedAtMs: 0, askedAtMs: 0 },
  ...{ misses: 0, silences: 0, frozen: 0, tested: false, untestable: false, withheld: 0, cleared: 0 },
};

describe('what the gateway is told', () => {
  test('of a start: how far it is, and how long it takes as the last ones did', () => {
    const loading = { state: 'starting', step: 'loading', process, stage: 'process', loaded: 0, progressAtMs: 0 } as const;
    expect(viewOf({ ...loading, stageAtMs: 980_000 })).toMatchObject({ state: 'starting', stage: 'process', etaSeconds: 80, percent: 20 });
    expect(viewOf({ ...loading, stage: 'model_loaded', stageAtMs: 1_000_000 })).toMatchObject({ etaSeconds: 50, percent: 50 });
    expect(viewOf({ state: 'starting', step: 'clearing', sleeper: null })).toMatchObject({
      stage: null,
      etaSeconds: 100,
      percent: 0,
      pid: null,
    });
    expect(viewOf({ state: 'warming', process, attempt: 1 })).toMatchObject({ stage: 'warmup', percent: 95 });
  });

  test('of a model that is woken: that it takes as long as it did before', () => {
    const waking = { state: 'starting', step: 'waking', process, begunAtMs: 999_500 } as const;
    expect(viewOf(waking)).toMatchObject({ state: 'starting', stage: 'process', pid: 7, etaSeconds: 2, percent: 25 });
    expect(viewOf({ state: 'starting', step: 'clearing', sleeper: process })).toMatchObject({ etaSeconds: 2, percent: 0 });
    expect(viewOf({ state: 'asleep', process })).toMatchObject({ state: 'idle', stage: null, pid: 7, etaSeconds: null });
  });

  test('of its engine: how many it runs at once, and which of those that wait it takes first', () => {
    expect(viewOf({ state: 'ready', process, sinceMs: 0, pulse })).toMatchObject({ maxNumSeqs: 16, scheduling: 'priority' });
  });

  test('of a pause: that it comes on top', () => {
    expect(viewOf({ state: 'backoff', untilMs: 1_008_000 })).toMatchObject({ etaSeconds: 108, restarts: 2 });
  });

  test('of a worker that gets nowhere: that it takes no requests, as the same process', () => {
    const view = viewOf({ state: 'draining', step: 'stalled', process, sinceMs: 950_000, pulse });
    expect(view).toMatchObject({ state: 'draining', pid: 7, startedAtMs: 5, etaSeconds: null, percent: null });
  });

  test('of a relaxed worker: a line a setting; of a failure: everything but its evidence', () => {
    const step = (from: string, to: string): Relaxation => {
      const change = { kind: 'engine', key: 'max_num_seqs', value: Number(to) } as const;
      return { setting: 'max_num_seqs', from, to, reason: `because of ${to}`, class: 'oom-sampler', change };
    };
    const footing = { ...NEW_MACHINE.footing, steps: [step('64', '32'), step('32', '16')] };
    const history = { ...NEW_MACHINE.history, lastFailure: failureOf('relax') };
    const view = viewOf({ state: 'ready', process, sinceMs: 0, pulse }, { footing, history });
    expect(view.degradation).toEqual([{ setting: 'max_num_seqs', from: '64', to: '16', reason: 'because of 16' }]);
    expect(view.refuses).toEqual([]);
    expect(view.lastFailure).toEqual({
      ...{ class: 'oom-weights', phase: 'load', message: 'It failed.', advice: 'Mend it.', at: '1970-01-01T00:00:00.000Z' },
    });
  });

  test('of what its card has no memory for: that it is not to be sent it', () => {
    const change = { kind: 'refusal', feature: 'prompt_logprobs' } as const;
    const told = { setting: 'prompt_logprobs', from: 'allowed', to: 'refused', reason: 'it took too much memory' };
    const footing = { ...NEW_MACHINE.footing, steps: [{ ...told, class: 'oom-runtime', change } as const] };
    const view = viewOf({ state: 'ready', process, sinceMs: 0, pulse }, { footing });
    expect(view).toMatchObject({ refuses: ['prompt_logprobs'], degradation: [told] });
  });
});
