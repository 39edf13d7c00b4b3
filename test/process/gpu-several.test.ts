import { describe, expect, test } from 'vitest';
import type { WorkerView } from '../../gateway/core/worker.ts';
import { until } from '../support/gateway.ts';
import { HOUSE_MODEL, houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';
import type { RunningSupervisor } from '../supervisor/support/running-supervisor.ts';

const TWO = { settings: { supervisor: { replicas: 2 } } };

/** Waits until a worker is as wanted. */
async function workerOf(supervisor: RunningSupervisor, id: string, wanted: (view: WorkerView) => boolean): Promise<WorkerView> {
  let found: WorkerView | undefined;
  await until(
    async () => {
      found = (await supervisor.state()).workers.find((view) => view.id === id);
      return found !== undefined && wanted(found);
    },
    `${id} is as wanted`,
    60_000,
  );
  return found!;
}

const isReady = ({ state }: WorkerView) => state === 'ready';

async function answers({ url }: WorkerView): Promise<boolean> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: HOUSE_MODEL, prompt: 'Hello', max_tokens: 4 }),
  });
  return response.ok;
}

describe('two cards with a worker each, beside one that is out of order', { timeout: 180_000 }, () => {
  test('each has its own, and one that waits for its card, whose engine dies, or whose card does, leaves the other alone', async () => {
    // The first has to be reset: it is passed over from the beginning.
    const house = houseWith(['l4', 'l4', 'l4']);
    const reset = '[GPU requires reset]';
    await house.change(
      ({ gpus }) => void Object.assign(gpus[0]!.values, { 'memory.free': reset, 'memory.used': reset, 'utilization.gpu': reset }),
    );
    const [first, second] = house
      .cards()
      .slice(1)
      .map(({ uuid }) => uuid) as [string, string];
    const release = await house.hold(2, 6);
    const supervisor = await superviseHouse(house, TWO);
    const one = await workerOf(supervisor, 'worker-1', isReady);
    expect(await answers(one)).toBe(true);
    expect(await workerOf(supervisor, 'worker-2', () => true)).toMatchObject({ state: 'starting', pid: null });
    await release();
    const two = await workerOf(supervisor, 'worker-2', isReady);
    expect(two).toMatchObject({ restarts: 0, degradation: [], lastFailure: null });
    expect(house.launches()).toHaveLength(2);
    const devices = new Map(house.launches().map((launch) => [launch.pid, launch.devices]));
    expect([devices.get(one.pid!), devices.get(two.pid!)]).toEqual([first, second]);
    // All of each card that the profile asks for: nobody shares.
    for (const view of [one, two]) expect(view.args.join(' ')).toContain('--gpu-memory-utilization 0.92 ');
    expect(house.cards().map(({ holders }) => holders.length)).toEqual([0, 1, 1]);

    process.kill(two.pid!, 'SIGKILL');
    const again = await workerOf(supervisor, 'worker-2', (view) => isReady(view) && view.restarts > 0);
    expect(house.launches().at(-1)).toMatchObject({ pid: again.pid, devices: second });

    // It falls off the bus: neither nvidia-smi nor CUDA knows it any more.
    const card = house.cards().at(-1);
    await house.change(({ gpus }) => void gpus.pop());
    process.kill(-again.pid!, 'SIGKILL');
    const failed = await workerOf(supervisor, 'worker-2', ({ state }) => state === 'failed');
    expect(failed.lastFailure).toMatchObject({ class: 'no-gpu', advice: expect.stringContaining('nvidia-smi') });
    expect(await answers(one)).toBe(true);
    expect(await workerOf(supervisor, 'worker-1', isReady)).toMatchObject({ pid: one.pid, restarts: 0, lastFailure: null });

    // After a reset of the card an operator starts it again.
    await house.change(({ gpus }) => void gpus.push({ ...card!, holders: [] }));
    expect(await supervisor.post('/v1/workers/worker-2/restart')).toBe(202);
    await workerOf(supervisor, 'worker-2', isReady);
    expect(house.launches().at(-1)).toMatchObject({ devices: second });
  });
});
