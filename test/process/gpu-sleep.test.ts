import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { WorkerView } from '../../gateway/core/worker.ts';
import type { GpuHouse } from '../support/gpu-house.ts';
import { houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';
import type { RunningSupervisor } from '../supervisor/support/running-supervisor.ts';

const [FIRST, SECOND] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct'] as const;
const SETTINGS: SettingsInput = { models: [FIRST, SECOND].map((id) => ({ id, swap: { strategy: 'sleep', dwell_ms: 0 } })) };

/** An operator's word, until the model is ready. */
async function swap(supervisor: RunningSupervisor, model: string): Promise<WorkerView> {
  expect(await supervisor.post(`/v1/models/${model}/load`)).toBe(202);
  return supervisor.worker(({ state, models }) => state === 'ready' && models[0]?.id === model);
}

function shareOf({ args }: WorkerView): number {
  return Number(/--gpu-memory-utilization (\S+)/.exec(args.join(' '))?.[1]);
}

function heldGib(house: GpuHouse): number[] {
  return house.cards()[0]!.holders.map(({ mib }) => mib / 1024);
}

describe('models that sleep on a card', { timeout: 180_000 }, () => {
  test('wake up on it with nvidia-smi as the witness of what is free, and each is started once', async () => {
    const house = houseWith(['rtx-a4000']);
    const supervisor = await superviseHouse(house, { settings: SETTINGS });
    const first = await supervisor.worker(({ state }) => state === 'ready');
    const [whole] = heldGib(house);
    const second = await swap(supervisor, SECOND);
    for (const view of [first, second]) expect(shareOf(view)).toBeLessThan(0.9);
    // What the plan has reckoned for a sleeper is enough for one.
    expect(Math.min(...heldGib(house))).toBeLessThan(1.5);
    for (const model of [FIRST, SECOND, FIRST] as const) await swap(supervisor, model);
    expect(Math.max(...heldGib(house))).toBeCloseTo(whole!, 0);
    const [uuid] = house.cards().map((card) => card.uuid);
    expect(house.launches().map(({ devices }) => devices)).toEqual([uuid, uuid]);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure' || event === 'worker.degraded')).toEqual([]);
  });

  test('end when the one that is wanted does not fit beside them, and nothing is taken from it for that', async () => {
    const house = houseWith(['rtx-3060']);
    const supervisor = await superviseHouse(house, { settings: SETTINGS, policy: { vramPatienceMs: 600 } });
    await supervisor.worker(({ state }) => state === 'ready');
    // A desktop that came after the plan was made: there is room for the model, but not for what sleeps beside it.
    await house.hold(0, 0.8, 'a desktop');
    expect(await swap(supervisor, SECOND)).toMatchObject({ degradation: [], restarts: 0 });
    expect(heldGib(house)).toHaveLength(2);
    expect((await supervisor.state()).models).toMatchObject([{ id: FIRST, asleep: false }, { id: SECOND }]);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure' || event === 'worker.degraded')).toEqual([]);
  });
});
