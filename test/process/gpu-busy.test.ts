import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { WorkerView } from '../../gateway/core/worker.ts';
import { HOUSE_MODEL as MODEL, houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';
import type { RunningSupervisor } from '../supervisor/support/running-supervisor.ts';

const GIB = 2 ** 30;
const isReady = ({ state }: WorkerView) => state === 'ready';

/** Of the settings of one model. */
function engine(flags: Record<string, number | string | boolean>): SettingsInput {
  return { models: [{ id: MODEL, engine: flags }] };
}

function failures({ log }: RunningSupervisor) {
  return log.filter(({ event }) => event === 'worker.failure');
}

function degradations({ log }: RunningSupervisor) {
  return log.filter(({ event, level }) => event === 'worker.degraded' && level === 'warn');
}

describe('a card of which somebody else holds a part', { timeout: 180_000 }, () => {
  test('is waited for, then shared: the first start with less succeeds, and the operator is told who, what and why', async () => {
    const at = houseWith(['t4']);
    await at.hold(0, 4, 'some-game', process.pid);
    const supervisor = await superviseHouse(at, { policy: { vramPatienceMs: 100 } });
    const view = await supervisor.worker(isReady);

    // 14.56 GiB, less 4, less what CUDA takes before vLLM looks: 10.2 GiB, which are 70 hundredths; 3 are left for what nobody foresees.
    expect(view.degradation).toEqual([
      {
        setting: 'gpu_memory_utilization',
        from: '0.9',
        to: '0.67',
        reason: expect.stringMatching(/^another process holds .*: 10\.2 GiB are free$/),
      },
    ]);
    expect(at.launches()).toHaveLength(1);
    expect(at.launches()[0]!.args.join(' ')).toContain('--gpu-memory-utilization 0.67 ');
    expect(view).toMatchObject({ restarts: 1, lastFailure: { class: 'busy-vram', phase: 'launch' } });
    expect(view.lastFailure!.message).toMatch(
      /^The GPU has 10\.6 of 14\.6 GiB free and 13\.5 GiB are wanted: another process holds the rest/,
    );
    expect(view.lastFailure!.message).toContain(`It is held by some-game (process ${process.pid}, 4.0 GiB).`);
    expect(failures(supervisor)).toHaveLength(1);
    expect(supervisor.log.filter(({ event }) => event === 'worker.waiting')).toMatchObject([
      { level: 'info', msg: expect.stringMatching(/^worker-1 waits for room\. The GPU has 10\.6 of 14\.6 GiB free/) },
    ]);
    const [told, ...more] = degradations(supervisor);
    expect(more).toEqual([]);
    expect(told!['msg']).toMatch(/^worker-1 starts with gpu_memory_utilization 0\.67 instead of 0\.9: another process holds .+\.$/);
    const answer = await fetch(`${view.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, prompt: 'Hello', max_tokens: 4 }),
    });
    expect(answer.status).toBe(200);
  });

  test('too large for the model to be worth starting beside is waited for without an end, and never started on', async () => {
    const at = houseWith(['t4']);
    const release = await at.hold(0, 13);
    const supervisor = await superviseHouse(at, { policy: { vramPatienceMs: 1, busyPatienceMs: 100, halfOpenMs: 100 } });
    const view = await supervisor.worker(({ state }) => state === 'failed');
    expect(view.lastFailure).toMatchObject({ class: 'busy-vram', message: expect.stringContaining('of waiting') });
    expect(at.launches()).toEqual([]);
    await release();
    expect(await supervisor.worker(isReady)).toMatchObject({ degradation: [] });
  });
});

describe('more of a card than is ever free', { timeout: 180_000 }, () => {
  test('is not waited for on an idle card: the operator is told at once what to leave, and the worker runs with the most there is', async () => {
    const at = houseWith(['rtx-4080']);
    // However long anybody would wait for another process.
    const supervisor = await superviseHouse(at, {
      settings: engine({ gpu_memory_utilization: 0.98 }),
      policy: { vramPatienceMs: 3_600_000 },
    });
    const view = await supervisor.worker(isReady);
    expect(view.lastFailure).toMatchObject({
      class: 'busy-vram',
      message: expect.stringMatching(/^gpu_memory_utilization 0\.98 is never free on this GPU/),
      advice: 'Leave at least 0.9 GiB for CUDA and for what vLLM cannot foresee: use gpu_memory_utilization 0.94.',
    });
    expect(view.degradation).toMatchObject([{ setting: 'gpu_memory_utilization', from: '0.98', to: '0.94' }]);
    expect(view.degradation[0]!.reason).toContain('CUDA itself');
    expect(at.launches()).toHaveLength(1);
  });
});

describe('a driver that does not say what is free', { timeout: 180_000 }, () => {
  async function blind(gib: number) {
    const at = houseWith(['rtx-4080']);
    if (gib > 0) await at.hold(0, gib);
    await at.change(({ gpus }) => void Object.assign(gpus[0]!.values, { 'memory.free': '[N/A]', 'memory.used': '[N/A]' }));
    return at;
  }

  test('leaves it to vLLM: what it found too little by little is lowered at once', async () => {
    const at = await blind(0);
    const supervisor = await superviseHouse(at, {
      settings: engine({ gpu_memory_utilization: 0.98 }),
      policy: { vramPatienceMs: 3_600_000 },
    });
    const view = await supervisor.worker(isReady);
    expect(view.degradation).toMatchObject([{ setting: 'gpu_memory_utilization', from: '0.98', to: '0.94' }]);
    expect(view.lastFailure!.message).toMatch(/^The GPU had 15\.22 of 15\.57 GiB free and 15\.26 GiB were wanted/);
    expect(at.launches()).toHaveLength(2);
  });

  test('and what it found too little by much, only after waiting', async () => {
    const at = await blind(4);
    const supervisor = await superviseHouse(at, { policy: { vramPatienceMs: 300 } });
    const view = await supervisor.worker(isReady);
    expect(view.degradation).toMatchObject([{ setting: 'gpu_memory_utilization', from: '0.92', to: '0.69' }]);
    expect(failures(supervisor).map((line) => line['next'])).toEqual([
      ...Array.from({ length: view.restarts - 1 }, () => 'retry'),
      'relax',
    ]);
    expect(view.restarts).toBeGreaterThan(1);
  });
});

describe('an engine that was killed and whose memory comes back late', { timeout: 180_000 }, () => {
  test('is followed by the next when it has: no start in vain, and no step', async () => {
    const at = houseWith(['rtx-4080'], { engine: { SIM_VRAM_RELEASE_MS: '600' } });
    const supervisor = await superviseHouse(at);
    const view = await supervisor.worker(isReady);
    const held = at.cards()[0]!.holders;
    expect(held).toMatchObject([{ title: 'VLLM::EngineCore' }]);
    expect(held[0]!.mib * 2 ** 20).toBeGreaterThan(13 * GIB);
    // Its engine core is an orphan now, and has the memory.
    process.kill(view.pid!, 'SIGKILL');
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(again).toMatchObject({ restarts: 1, degradation: [], lastFailure: { phase: 'serving' } });
    expect(at.launches()).toHaveLength(2);
    expect(failures(supervisor)).toHaveLength(1);
    expect(at.cards()[0]!.holders).toHaveLength(1);
  });
});
