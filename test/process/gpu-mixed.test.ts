import { describe, expect, test } from 'vitest';
import type { AdminStatus, Stats } from '../../gateway/http/pages/admin-answers.ts';
import { systemClock } from '../../gateway/core/clock.ts';
import { statusText } from '../../scripts/commands/live/status-text.ts';
import { NvidiaSmi } from '../../supervisor/gpu/gpu.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { houseWith } from '../supervisor/support/house-supervisor.ts';
import { superviseHere } from '../supervisor/support/running-supervisor.ts';
import { call, ownSettings } from './swap-house.ts';

const [ON_T4, ON_3060, THIRD] = ['mistral-7b-instruct', 'qwen2.5-1.5b-instruct-awq', 'llama-3.1-8b-instruct'] as const;

describe('a T4 beside a 3060, and models for both', { timeout: 120_000 }, () => {
  test('serve at the same time, each from its card with the profile of that card, and a third takes turns with one of them', async () => {
    const house = houseWith(['t4', 'rtx-3060']);
    const [t4, rtx] = house.cards();
    const { settings, folder } = await ownSettings({
      models: [ON_T4, ON_3060, THIRD],
      supervisor: { engine: 'vllm' },
    });
    const probe = new NvidiaSmi(systemClock, { PATH: house.path }, []);
    await superviseHere(settings, { PATH: house.path }, folder, { dwellMs: 0 }, probe);
    const gateway = await startTestGateway([], settings);
    const ask = async <T>(path: string) => (await (await fetch(`${gateway.url}${path}`, { headers: AS_ADMIN })).json()) as T;
    let status!: AdminStatus;
    await until(
      async () => {
        status = await ask<AdminStatus>('/admin/status');
        return status.workers.length === 2 && status.workers.every(({ state }) => state === 'ready');
      },
      'both are ready',
      60_000,
    );

    expect(status.workers).toMatchObject([
      { id: 'worker-1', model: ON_T4, gpus: [0], profile: 't4', restarts: 0, last_failure: null },
      { id: 'worker-2', model: ON_3060, gpus: [1], profile: 'rtx-3060', restarts: 0, last_failure: null },
    ]);
    const devices = new Map(house.launches().map((launch) => [launch.pid, launch.devices]));
    expect(status.workers.map(({ pid }) => devices.get(pid!))).toEqual([t4!.uuid, rtx!.uuid]);
    expect(house.cards().map(({ holders }) => holders.length)).toEqual([1, 1]);
    const [first, second] = status.workers.map(({ engine_args: args }) => args.join(' '));
    expect(first).toContain('--dtype half');
    expect(second).not.toContain('--dtype half');

    const answers = await Promise.all([ON_T4, ON_3060, ON_T4, ON_3060].map((model) => call(gateway, model, 16)));
    expect(answers).toMatchObject(
      [ON_T4, ON_3060, ON_T4, ON_3060].map((served) => ({ status: 200, served, text: expect.stringMatching(/\w/) })),
    );
    // Nobody had to make room for anybody.
    expect(house.launches()).toHaveLength(2);

    const text = statusText(status, await ask<Stats>('/stats'));
    expect(text).toMatch(/^worker-1 +mistral-7b-instruct +0 +ready/m);
    expect(text).toMatch(/^worker-2 +qwen2\.5-1\.5b-instruct-awq +1 +ready/m);
    expect(text).toContain('profile t4 (worker-1), rtx-3060 (worker-2) · tuning balanced');
    expect(text).not.toContain('by no worker');
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toMatch(/^headgate_model_info\{model="mistral-7b-instruct".*gpu="Tesla T4",.*profile="t4"/m);
    expect(metrics).toMatch(/^headgate_model_info\{model="qwen2.5-1.5b-instruct-awq".*gpu="NVIDIA GeForce RTX 3060",.*profile="rtx-3060"/m);

    // The third was placed beside the first; whoever else serves is left alone.
    await until(async () => (await call(gateway, THIRD)).served === THIRD, 'the third has its turn', 60_000);
    const after = await ask<AdminStatus>('/admin/status');
    expect(after.workers).toMatchObject([
      { model: THIRD, gpus: [0] },
      { model: ON_3060, gpus: [1], pid: status.workers[1]!.pid },
    ]);
    expect(await call(gateway, ON_3060)).toMatchObject({ status: 200 });
  });
});
