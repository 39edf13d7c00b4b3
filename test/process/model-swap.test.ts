import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/settings.ts';
import type { SupervisionPolicy } from '../../supervisor/policy.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/sim.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { superviseHere } from '../supervisor/support/running-supervisor.ts';

const [FIRST, SECOND] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct'];

interface House {
  readonly supervisor: Awaited<ReturnType<typeof superviseHere>>;
  readonly gateway: TestGateway;
}

/** Two models and one worker, behind a gateway. */
async function house(policy: Partial<SupervisionPolicy>, env: Record<string, string> = {}, more: SettingsInput = {}): Promise<House> {
  const folder = scratchFolder();
  const port = await freePort();
  const settings: SettingsInput = {
    ...more,
    models: [FIRST, SECOND],
    supervisor: { port_range: [port, Math.min(port + 20, 65_535)], state_dir: join(folder, 'state') },
  };
  const supervisor = await superviseHere(settings, { SIM_SPEED: '0.01', SIM_START_MS: '200', ...env }, folder, policy);
  const gateway = await startTestGateway([], settings);
  await gateway.gateway.firstReady;
  return { supervisor, gateway };
}

async function call(gateway: TestGateway, model: string): Promise<{ status: number; served: string | undefined; text: string }> {
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'Hello', max_tokens: 4 }),
  });
  const text = await response.text();
  return { status: response.status, served: (JSON.parse(text) as { model?: string }).model, text };
}

async function swaps(gateway: TestGateway): Promise<number> {
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  return [...page.matchAll(/^headgate_model_swaps_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

describe('two models on one worker', { timeout: 90_000 }, () => {
  test('a call for the one that is not loaded waits until it is, and a call for the first brings that back', async () => {
    const { gateway, supervisor } = await house({ dwellMs: 0 });
    await using _ = gateway;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(await swaps(gateway)).toBe(2);
    const [worker] = (await supervisor.state()).workers;
    expect(worker).toMatchObject({ restarts: 0, lastFailure: null, models: [{ id: FIRST }] });
  });

  test('two hundred calls for both are all answered, with few changes', async () => {
    const dwellMs = 1000;
    const { gateway, supervisor } = await house({ dwellMs });
    await using _ = gateway;
    // A generator of its own, so that the traffic is the same each time.
    let seed = 7;
    const chance = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const models = Array.from({ length: 200 }, () => (chance() < 0.7 ? FIRST : SECOND));
    const statuses: number[] = [];
    const lines = Array.from({ length: 8 }, async () => {
      for (let model = models.pop(); model !== undefined; model = models.pop()) {
        const answer = await call(gateway, model);
        if (answer.status !== 200) console.log(answer.text);
        statuses.push(answer.status);
      }
    });
    const startedAt = performance.now();
    await Promise.all(lines);
    console.log('took', performance.now() - startedAt, 'swaps', await swaps(gateway));
    expect(statuses).toHaveLength(200);
    expect(new Set(statuses)).toEqual(new Set([200]));
    const moments = supervisor.log.filter(({ event }) => event === 'model.swap');
    console.log(moments.map((m) => m['msg']));
  });
});
