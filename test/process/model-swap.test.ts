import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { until, type TestGateway } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { call, card, FIRST, SECOND, swapHouse, tell } from './swap-house.ts';

const CLI = join(import.meta.dirname, '../../scripts/headgate.ts');

function swapByHand(gateway: TestGateway, folder: string, model: string) {
  return run(process.execPath, [CLI, 'swap', model, '--port', String(gateway.port)], { cwd: folder });
}

async function swaps(gateway: TestGateway): Promise<number> {
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  return [...page.matchAll(/^headgate_model_swaps_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** How long each swap to a model took, from the decision until it was ready, by the log. */
function swapSeconds(log: readonly Record<string, unknown>[], model: string): number[] {
  return log.flatMap(({ event, to, time }, at) => {
    if (event !== 'model.swap' || to !== model) return [];
    const ready = log.slice(at).find((line) => line['event'] === 'worker.state' && line['state'] === 'ready' && line['model'] === model);
    return ready === undefined ? [] : [(Date.parse(String(ready['time'])) - Date.parse(String(time))) / 1000];
  });
}

describe('two models on one worker', { timeout: 90_000 }, () => {
  test('take turns for the calls that come: each is answered by its own, stays as long as it may, and the next swap is foretold', async () => {
    const dwellMs = 300;
    const { gateway, supervisor } = await swapHouse({ settings: { models: [FIRST, SECOND] }, policy: { dwellMs } });
    await using _ = gateway;
    expect(await card(gateway, SECOND)).toMatchObject({ state: 'available', eta_seconds: expect.any(Number) });
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
    expect(await card(gateway, FIRST)).toMatchObject({ state: 'available' });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(await swaps(gateway)).toBe(2);
    const state = await supervisor.state();
    expect(state.workers).toMatchObject([{ restarts: 0, lastFailure: null, models: [{ id: FIRST }] }]);
    expect(state.swaps).toEqual([]);
    // Nothing of the other is left.
    expect(supervisor.processes()).toHaveLength(2);

    // A generator of its own, so that the traffic is the same each time.
    let seed = 7;
    const chance = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const models = Array.from({ length: 60 }, () => (chance() < 0.7 ? FIRST : SECOND));
    const answers: { model: string; status: number; served: string | undefined }[] = [];
    const lines = Array.from({ length: 8 }, async () => {
      for (let model = models.pop(); model !== undefined; model = models.pop()) answers.push({ model, ...(await call(gateway, model)) });
    });
    await Promise.all(lines);
    expect(answers).toHaveLength(60);
    for (const { model, status, served } of answers) expect([status, served]).toEqual([200, model]);
    const count = await swaps(gateway);
    expect(count).toBeGreaterThan(2);
    // Eight callers that take whatever comes would change the model some twenty times.
    expect(count).toBeLessThan(12);
    const served = supervisor.log.filter(({ event }) => event === 'model.swap').map(({ served_ms }) => served_ms);
    expect(served.length).toBeGreaterThanOrEqual(count);
    for (const ms of served) expect(ms).toBeGreaterThanOrEqual(dwellMs);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure')).toEqual([]);

    const other = (await card(gateway, FIRST)).state === 'ready' ? SECOND : FIRST;
    const { eta_seconds: foretold } = await card(gateway, other);
    // In whole seconds, as long as the swaps before have taken: how long the next one takes is for the machine to say.
    const before = swapSeconds(supervisor.log, other);
    expect(before.length).toBeGreaterThan(0);
    expect(foretold).toBeGreaterThanOrEqual(Math.floor(Math.min(...before)));
    expect(foretold).toBeLessThanOrEqual(Math.ceil(Math.max(...before)) + 1);
    expect(await call(gateway, other)).toMatchObject({ status: 200 });
  });
});

describe('an operator', { timeout: 90_000 }, () => {
  test('swaps the model with headgate swap, which waits until it is ready, and unloads it; what nobody uses unloads itself', async () => {
    const settings = { models: [{ id: FIRST, swap: { idle_unload_ms: 300 } }, SECOND] };
    const { gateway, folder, supervisor } = await swapHouse({ settings, policy: { idleProbeMs: 100 } });
    await using _ = gateway;
    await until(() => supervisor.processes().length === 0, 'nothing left running', 30_000);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });

    await using done = swapByHand(gateway, folder, SECOND);
    expect(await done.exited).toBe(0);
    expect(done.output()).toContain(`${SECOND} is ready.`);
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    await using unknown = swapByHand(gateway, folder, 'nobody');
    expect(await unknown.exited).toBe(1);

    expect(await tell(gateway, FIRST, 'unload')).toBe(409);
    expect(await tell(gateway, SECOND, 'unload')).toBe(202);
    await until(() => supervisor.processes().length === 0, 'nothing left running');
    expect(await card(gateway, SECOND)).toMatchObject({ state: 'available' });
    // Whoever needs it loads it again.
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
  });

  test('whose calls may not wait tells them when to come back, keeps old settings for bad ones, and has the last word about a worker', async () => {
    const given = { models: [FIRST, SECOND], admission: { queue_timeout_ms: 500 } };
    const { gateway, supervisor, settings } = await swapHouse({
      settings: given,
      policy: { dwellMs: 0 },
      env: () => ({ SIM_START_MS: '800' }),
    });
    await using _ = gateway;
    const refused = await call(gateway, SECOND);
    expect(refused).toMatchObject({ status: 503, error: { code: 'model_loading', message: expect.stringMatching(/in about \d+ s/) } });
    expect(refused.retryAfter).toMatch(/^[1-9]\d?$/);

    gateway.settings = { ...settings, models: [FIRST, 'nope'], timeouts: { idle_ms: 1000 } };
    const answer = await fetch(`${gateway.url}/admin/reload`, { method: 'POST', headers: AS_ADMIN });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('there is no nope in profiles/models');
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(/^headgate_config_last_reload_successful 0$/m);

    await until(async () => (await card(gateway, SECOND)).state === 'ready', 'the model loaded', 30_000);
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });

    // Neither calls nor an order from before bring back what he has drained.
    const drain = () => fetch(`${gateway.url}/admin/workers/worker-1/drain`, { method: 'POST', headers: AS_ADMIN });
    expect(await tell(gateway, FIRST, 'load')).toBe(202);
    await supervisor.worker(({ state, models }) => state === 'starting' && models[0]?.id === FIRST);
    expect((await drain()).status).toBe(202);
    await supervisor.worker(({ state }) => state === 'drained');
    expect(supervisor.processes()).toEqual([]);
    await expect
      .poll(() => call(gateway, SECOND))
      .toMatchObject({
        status: 503,
        error: { code: 'no_worker', message: expect.stringContaining('taken out of service by an operator') },
      });
    expect(await tell(gateway, SECOND, 'load')).toBe(202);
    await until(async () => (await card(gateway, SECOND)).state === 'ready', 'the model loaded', 30_000);
  });
});

describe('a model that cannot be loaded', { timeout: 90_000 }, () => {
  test('is refused with its reason to all who wait, what was loaded before comes back, and the status tells of failures of any', async () => {
    const broken = { id: 'broken', source: 'org/broken', engine: { no_such_flag: 1 } };
    const { gateway, folder, supervisor } = await swapHouse({ settings: { models: [FIRST, SECOND, broken] }, policy: { dwellMs: 0 } });
    await using _ = gateway;
    const refused = await Promise.all([call(gateway, 'broken'), call(gateway, 'broken')]);
    for (const answer of refused) expect(answer).toMatchObject({ status: 503, error: { code: 'no_worker' } });
    await until(async () => (await card(gateway, FIRST)).state === 'ready', 'the first model back', 30_000);
    expect(await card(gateway, 'broken')).toMatchObject({ state: 'failed' });
    // Nobody tries it again for a call.
    expect(await call(gateway, 'broken')).toMatchObject({ status: 503, error: { code: 'no_worker' } });
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
    await using swap = swapByHand(gateway, folder, 'broken');
    expect(await swap.exited).toBe(1);
    expect(swap.output()).toContain('no-such-flag');
    await until(async () => (await card(gateway, FIRST)).state === 'ready', 'the first model back', 30_000);

    const status = async () =>
      ((await (await fetch(`${gateway.url}/admin/status`, { headers: AS_ADMIN })).json()) as { workers: any[] }).workers[0];
    const { url } = await status();
    const body = JSON.stringify({ fault: 'oom-runtime' });
    expect((await fetch(`${url}/sim/fault`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status).toBe(200);
    await until(async () => (await status()).degradation.length === 1 && (await status()).state === 'ready', 'it is relaxed', 30_000);
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    expect(await status()).toMatchObject({
      model: SECOND,
      degradation: [],
      last_failure: { class: 'oom-runtime', message: expect.stringMatching(`^With ${FIRST}: The GPU ran out of memory`) },
    });
    const page = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(page).toContain('headgate_worker_oom_total{worker="worker-1",class="runtime"} 1');

    // What was relaxed for either is taken back.
    const { pid } = await status();
    expect((await fetch(`${gateway.url}/admin/workers/worker-1/restart?reset=true`, { method: 'POST', headers: AS_ADMIN })).status).toBe(
      202,
    );
    await until(async () => (await status()).state === 'ready' && (await status()).pid !== pid, 'it has been restarted', 30_000);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
    expect(await status()).toMatchObject({ model: FIRST, degradation: [] });
    expect(supervisor.log.filter(({ event }) => event === 'worker.overdue')).toEqual([]);
  });
});
