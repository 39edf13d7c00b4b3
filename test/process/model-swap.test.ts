import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema, type SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { SupervisionPolicy } from '../../supervisor/system/policy.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { superviseHere, watching } from '../supervisor/support/running-supervisor.ts';

const [FIRST, SECOND] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct'];
const CLI = join(import.meta.dirname, '../../scripts/headgate.ts');

interface Setup {
  readonly policy?: Partial<SupervisionPolicy>;
  readonly env?: Record<string, string>;
  readonly settings?: SettingsInput;
}

/** Two models (or others) and one worker, which serves the first, behind a gateway. */
async function house({ policy = {}, env = {}, settings: more = {} }: Setup) {
  const folder = scratchFolder();
  const port = await freePort(21);
  const settings: SettingsInput = {
    models: [FIRST, SECOND],
    ...more,
    supervisor: { port_range: [port, port + 20], state_dir: join(folder, 'state') },
  };
  const supervisor = await superviseHere(settings, { SIM_SPEED: '0.01', SIM_START_MS: '200', ...env }, folder, policy);
  const gateway = await startTestGateway([], settings);
  await gateway.gateway.firstReady;
  return { supervisor, gateway, folder, settings };
}

async function call(gateway: TestGateway, model: string) {
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'Hello', max_tokens: 4 }),
  });
  const { model: served, error } = (await response.json()) as { model?: string; error?: { message: string; code: string } };
  return { status: response.status, served, error, retryAfter: response.headers.get('retry-after') };
}

async function tell(gateway: TestGateway, model: string, verb: 'load' | 'unload'): Promise<number> {
  return (await fetch(`${gateway.url}/admin/models/${model}/${verb}`, { method: 'POST' })).status;
}

async function card(gateway: TestGateway, model: string): Promise<{ state: string; eta_seconds: number | null }> {
  const response = await fetch(`${gateway.url}/v1/models/${model}`);
  return ((await response.json()) as { headgate: { state: string; eta_seconds: number | null } }).headgate;
}

async function changes(gateway: TestGateway): Promise<number> {
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  return [...page.matchAll(/^headgate_model_swaps_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

describe('two models on one worker', { timeout: 90_000 }, () => {
  test('a call for the one that is not loaded waits until it is, and a call for the first brings that back', async () => {
    const { gateway, supervisor } = await house({ policy: { dwellMs: 0 } });
    await using _ = gateway;
    expect(await card(gateway, SECOND)).toMatchObject({ state: 'available', eta_seconds: expect.any(Number) });
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
    expect(await card(gateway, FIRST)).toMatchObject({ state: 'available' });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(await changes(gateway)).toBe(2);
    const state = await supervisor.state();
    expect(state.workers).toMatchObject([{ restarts: 0, lastFailure: null, models: [{ id: FIRST }] }]);
    expect(state.swaps).toEqual([]);
    // Nothing of the other is left.
    expect(supervisor.processes()).toHaveLength(2);
  });

  test('two hundred calls for both are all answered, and each model stays as long as it may', async () => {
    const dwellMs = 1000;
    const { gateway, supervisor } = await house({ policy: { dwellMs } });
    await using _ = gateway;
    // A generator of its own, so that the traffic is the same each time.
    let seed = 7;
    const chance = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const models = Array.from({ length: 200 }, () => (chance() < 0.7 ? FIRST : SECOND));
    const answers: { model: string; status: number; served: string | undefined }[] = [];
    const lines = Array.from({ length: 8 }, async () => {
      for (let model = models.pop(); model !== undefined; model = models.pop()) answers.push({ model, ...(await call(gateway, model)) });
    });
    await Promise.all(lines);
    expect(answers).toHaveLength(200);
    for (const { model, status, served } of answers) expect([status, served]).toEqual([200, model]);
    const count = await changes(gateway);
    expect(count).toBeGreaterThan(1);
    // Eight callers that take whatever comes would change the model some sixty times.
    expect(count).toBeLessThan(30);
    const served = supervisor.log.filter(({ event }) => event === 'model.swap').map(({ served_ms }) => served_ms);
    expect(served.length).toBeGreaterThanOrEqual(count);
    for (const ms of served) expect(ms).toBeGreaterThanOrEqual(dwellMs);
    expect(supervisor.log.filter(({ event }) => event === 'worker.failure')).toEqual([]);
  });

  test('after three changes the next is foretold within a factor of two', async () => {
    const { gateway } = await house({ policy: { dwellMs: 0 }, env: { SIM_START_MS: '1000' } });
    await using _ = gateway;
    for (const model of [SECOND, FIRST, SECOND]) expect(await call(gateway, model)).toMatchObject({ status: 200 });
    const { eta_seconds: foretold } = await card(gateway, FIRST);
    const startedAt = performance.now();
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
    const tookSeconds = (performance.now() - startedAt) / 1000;
    expect(foretold! / tookSeconds).toBeGreaterThan(0.5);
    expect(foretold! / tookSeconds).toBeLessThan(2);
  });

  test('a call that may not wait so long is told when to come back, and finds the model loaded then', async () => {
    const { gateway } = await house({ policy: { dwellMs: 0 }, settings: { admission: { queue_timeout_ms: 500 } } });
    await using _ = gateway;
    const refused = await call(gateway, SECOND);
    expect(refused).toMatchObject({ status: 503, error: { code: 'model_loading', message: expect.stringMatching(/in about \d+ s/) } });
    expect(refused.retryAfter).toMatch(/^[1-9]\d?$/);
    await until(async () => (await card(gateway, SECOND)).state === 'ready', 'the model loaded', 30_000);
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
  });
});

describe('an operator', { timeout: 90_000 }, () => {
  test('changes the model with headgate swap, which waits until it is ready, and unloads it', async () => {
    const { gateway, folder, supervisor } = await house({});
    await using _ = gateway;
    const swap = (model: string) => run(process.execPath, [CLI, 'swap', model, '--port', String(gateway.port)], { cwd: folder });
    await using done = swap(SECOND);
    expect(await done.exited).toBe(0);
    expect(done.output()).toContain(`${SECOND} is ready.`);
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    await using unknown = swap('nobody');
    expect(await unknown.exited).toBe(1);

    expect(await tell(gateway, FIRST, 'unload')).toBe(409);
    expect(await tell(gateway, SECOND, 'unload')).toBe(202);
    await until(() => supervisor.processes().length === 0, 'nothing left running');
    expect(await card(gateway, SECOND)).toMatchObject({ state: 'available' });
    // Whoever needs it loads it again.
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
  });

  test('whose policy unloads what nobody uses gets the memory back, until the next call', async () => {
    const { gateway, supervisor } = await house({ policy: { idleUnloadMs: 500, idleProbeMs: 100 } });
    await using _ = gateway;
    await until(() => supervisor.processes().length === 0, 'nothing left running', 30_000);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
  });

  test('finds a failure in the status though another model has been loaded since, and takes back what was relaxed for either', async () => {
    const { gateway, supervisor } = await house({ policy: { dwellMs: 0 }, env: { SIM_FAULTS: '1' } });
    await using _ = gateway;
    const status = async () => ((await (await fetch(`${gateway.url}/admin/status`)).json()) as { workers: any[] }).workers[0];
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

    const { pid } = await status();
    expect((await fetch(`${gateway.url}/admin/workers/worker-1/restart?reset=true`, { method: 'POST' })).status).toBe(202);
    await until(async () => (await status()).state === 'ready' && (await status()).pid !== pid, 'it has been restarted', 30_000);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
    expect(await status()).toMatchObject({ model: FIRST, degradation: [] });
    expect(supervisor.log.filter(({ event }) => event === 'worker.overdue')).toEqual([]);
  });

  test('whose new settings name what is not there keeps the old ones, and is told as by headgate check', async () => {
    const { gateway, settings } = await house({});
    await using _ = gateway;
    gateway.settings = { ...settings, models: [FIRST, 'nope'], timeouts: { idle_ms: 1000 } };
    const answer = await fetch(`${gateway.url}/admin/reload`, { method: 'POST' });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('there is no nope in profiles/models');
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(/^headgate_config_last_reload_successful 0$/m);
  });

  test('who drains the worker is not overruled by calls', async () => {
    const { gateway, supervisor } = await house({});
    await using _ = gateway;
    expect((await fetch(`${gateway.url}/admin/workers/worker-1/drain`, { method: 'POST' })).status).toBe(202);
    await until(() => supervisor.processes().length === 0, 'nothing left running');
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
  const settings: SettingsInput = { models: [FIRST, { id: 'broken', source: 'org/broken', engine: { no_such_flag: 1 } }] };

  test('is refused with its reason to all who wait, and what was loaded before comes back', async () => {
    const { gateway, folder } = await house({ policy: { dwellMs: 0 }, settings });
    await using _ = gateway;
    const refused = await Promise.all([call(gateway, 'broken'), call(gateway, 'broken')]);
    for (const answer of refused) expect(answer).toMatchObject({ status: 503, error: { code: 'no_worker' } });
    await until(async () => (await card(gateway, FIRST)).state === 'ready', 'the first model back', 30_000);
    expect(await card(gateway, 'broken')).toMatchObject({ state: 'failed' });
    // Nobody tries it again for a call.
    expect(await call(gateway, 'broken')).toMatchObject({ status: 503, error: { code: 'no_worker' } });
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
    await using swap = run(process.execPath, [CLI, 'swap', 'broken', '--port', String(gateway.port)], { cwd: folder });
    expect(await swap.exited).toBe(1);
    expect(swap.output()).toContain('no-such-flag');
  });
});

describe('a supervisor that comes back', { timeout: 90_000 }, () => {
  test('takes over the model that was loaded last, whichever it is', async () => {
    const folder = scratchFolder();
    const port = await freePort(21);
    const settings: SettingsInput = {
      models: [FIRST, SECOND],
      supervisor: { port_range: [port, port + 20], state_dir: join(folder, 'state') },
    };
    const script = join(import.meta.dirname, '../supervisor/support/supervise.ts');
    const env = { SIM_SPEED: '0.01', SIM_START_MS: '200' };
    const start = () => run(process.execPath, [script, JSON.stringify(settings)], { cwd: folder, env });
    await using gateway = await startTestGateway([], settings);
    await using killed = start();
    await gateway.gateway.firstReady;
    expect(await tell(gateway, SECOND, 'load')).toBe(202);
    await until(async () => (await card(gateway, SECOND)).state === 'ready', 'the model loaded', 30_000);
    const watched = watching(settingsSchema.parse(settings), folder);
    const loaded = async () => (await watched.state().catch(() => null))?.workers.find(({ state }) => state === 'ready');
    const before = await loaded();
    killed.child.kill('SIGKILL');
    await killed.exited;
    await using again = start();
    await until(async () => (await loaded()) !== undefined, 'the worker taken over', 30_000);
    const after = await loaded();
    expect(after).toMatchObject({ pid: before?.pid, models: [{ id: SECOND }], restarts: 0 });
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
    await watched.post('/v1/stop');
    expect(await again.exited).toBe(0);
  });
});
