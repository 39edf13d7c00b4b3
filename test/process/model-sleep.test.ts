import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema, type SettingsInput } from '../../gateway/config/schema/settings.ts';
import { readRecords } from '../../supervisor/engine/record.ts';
import type { SupervisionPolicy } from '../../supervisor/system/policy.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { superviseHere, watching } from '../supervisor/support/running-supervisor.ts';

const [FIRST, SECOND, THIRD] = ['qwen2.5-1.5b-instruct-awq', 'mistral-7b-instruct', 'llama-3.1-8b-instruct'] as const;

interface Setup {
  readonly models?: readonly string[];
  readonly level?: 1 | 2;
  readonly policy?: Partial<SupervisionPolicy>;
  readonly env?: Record<string, string>;
  readonly dwellMs?: number;
}

/** Models that sleep while others have their card, a pretended RTX A4000 whose memory they share, behind a gateway. */
async function house({ models = [FIRST, SECOND], level = 1, policy = {}, env = {}, dwellMs = 0 }: Setup = {}) {
  const folder = scratchFolder();
  const port = await freePort(21);
  const swap = { strategy: 'sleep', sleep_level: level, dwell_ms: dwellMs } as const;
  const settings: SettingsInput = {
    models: models.map((id) => ({ id, swap })),
    supervisor: { profile: 'rtx-a4000', port_range: [port, port + 20], state_dir: join(folder, 'state') },
  };
  const sim = { SIM_SPEED: '0.01', SIM_START_MS: '400', SIM_FAULTS: '1', SIM_VRAM_FILE: join(folder, 'vram.json'), ...env };
  const supervisor = await superviseHere(settings, sim, folder, policy);
  const gateway = await startTestGateway([], settings);
  await gateway.gateway.firstReady;
  const log = (model: string) =>
    readFileSync(join(folder, 'state/logs', model === models[0] ? 'worker-1.log' : `worker-1.${model}.log`), 'utf8');
  const records = () => new Map(readRecords(join(folder, 'state/workers')).map((record) => [record.model, record]));
  return { supervisor, gateway, folder, settings, sim, log, records };
}

async function call(gateway: TestGateway, model: string, tokens = 4) {
  const response = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, prompt: 'Hello', max_tokens: tokens }),
  });
  const { model: served, choices } = (await response.json()) as { model?: string; choices?: { text: string }[] };
  return { status: response.status, served, text: choices?.[0]?.text };
}

async function tell(gateway: TestGateway, model: string, verb: 'load' | 'unload'): Promise<number> {
  return (await fetch(`${gateway.url}/admin/models/${model}/${verb}`, { method: 'POST' })).status;
}

function failures(log: readonly Record<string, unknown>[]) {
  return log.filter(({ event }) => event === 'worker.failure');
}

describe('models that sleep', { timeout: 90_000 }, () => {
  test('change places without being loaded again: their processes stay', async () => {
    const { gateway, supervisor, log, records } = await house();
    await using _ = gateway;
    const before = await call(gateway, FIRST);
    for (const model of [SECOND, FIRST, SECOND, FIRST]) expect(await call(gateway, model)).toMatchObject({ status: 200, served: model });
    expect(await call(gateway, FIRST)).toEqual(before);
    const state = await supervisor.state();
    expect(state.workers).toMatchObject([{ state: 'ready', restarts: 0, degradation: [], models: [{ id: FIRST }] }]);
    expect(state.models).toMatchObject([
      { id: FIRST, state: 'ready', asleep: false },
      { id: SECOND, state: 'available', asleep: true, etaSeconds: expect.any(Number) },
    ]);
    // One start each, however often they were wanted.
    expect([...log(FIRST).matchAll(/Application startup complete/g)]).toHaveLength(1);
    expect([...log(SECOND).matchAll(/Application startup complete/g)]).toHaveLength(1);
    expect(log(SECOND)).toMatch(/Sleep mode freed \d+\.\d\d GiB memory/);
    expect([...log(FIRST).matchAll(/to wake up tags/g)]).toHaveLength(2);
    expect(records().get(SECOND)).toMatchObject({ life: 'asleep', sleepLevel: 1 });
    expect(failures(supervisor.log)).toEqual([]);
    expect(supervisor.processes()).toHaveLength(4);
  });

  test('whose weights were let go read them again, and answer as before', async () => {
    const { gateway, log, records } = await house({ level: 2 });
    await using _ = gateway;
    const before = await call(gateway, FIRST, 12);
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    expect(records().get(FIRST)).toMatchObject({ life: 'asleep', sleepLevel: 2 });
    expect(await call(gateway, FIRST, 12)).toEqual(before);
    expect(log(FIRST)).toMatch(/Loading weights took .*\n[^]*wake up tags \{'kv_cache'\}/);
  });

  test('let the requests that they have end first', async () => {
    const { gateway } = await house({ env: { SIM_SPEED: '0.2' } });
    await using _ = gateway;
    const long = call(gateway, FIRST, 60);
    const [first, second] = await Promise.all([long, call(gateway, SECOND)]);
    expect(first).toMatchObject({ status: 200, served: FIRST });
    expect(second).toMatchObject({ status: 200, served: SECOND });
  });

  test('are ended for want of room when there are more than may sleep, those that have slept longest first', async () => {
    const { gateway, supervisor, records } = await house({ models: [FIRST, SECOND, THIRD] });
    await using _ = gateway;
    for (const model of [SECOND, THIRD]) expect(await call(gateway, model)).toMatchObject({ status: 200, served: model });
    expect([...records()].map(([model, { life }]) => [model, life]).toSorted()).toEqual([
      [THIRD, 'ready'],
      [SECOND, 'asleep'],
    ]);
    expect(supervisor.processes()).toHaveLength(4);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(failures(supervisor.log)).toEqual([]);
  });

  test('are ended when an operator unloads them, and with what serves when that is unloaded', async () => {
    const { gateway, supervisor, records } = await house();
    await using _ = gateway;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    expect(await tell(gateway, FIRST, 'unload')).toBe(202);
    await until(() => !records().has(FIRST), 'the sleeper ended');
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200 });
    expect(await tell(gateway, FIRST, 'unload')).toBe(202);
    await until(() => supervisor.processes().length === 0, 'nothing left running');
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
  });

  test('leave nothing behind when the supervisor stops', async () => {
    const { gateway, supervisor } = await house();
    await using _ = gateway;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode).toBe(0);
    expect(supervisor.processes()).toEqual([]);
  });
});

describe('a model that sleeps and', { timeout: 90_000 }, () => {
  test('dies is loaded from the beginning when it is wanted, and the one that serves notices nothing', async () => {
    const { gateway, supervisor, records } = await house();
    await using _ = gateway;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    process.kill(-records().get(FIRST)!.pid, 'SIGKILL');
    await until(() => failures(supervisor.log).length > 0, 'its death noticed');
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
  });

  test('finds no room to wake up into is loaded from the beginning, and says why', async () => {
    const { gateway, supervisor, folder, records } = await house();
    await using _ = gateway;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    const sleeper = records().get(FIRST)!.pid;
    // What it had does not fit any more: as if somebody had taken some of it meanwhile.
    const vram = JSON.parse(readFileSync(join(folder, 'vram.json'), 'utf8')) as { gpus: { memory_total_mib: number }[] };
    vram.gpus[0]!.memory_total_mib = 14_336;
    writeFileSync(join(folder, 'vram.json'), JSON.stringify(vram));
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(failures(supervisor.log)).toMatchObject([{ class: 'wake-failed', next: 'retry' }]);
    expect((await supervisor.state()).workers).toMatchObject([{ lastFailure: { class: 'oom-wake' }, restarts: 1, degradation: [] }]);
    expect(records().get(FIRST)!.pid).not.toBe(sleeper);
  });
});

describe('a supervisor that comes back', { timeout: 90_000 }, () => {
  test('takes over what sleeps as well as what serves', async () => {
    const folder = scratchFolder();
    const port = await freePort(21);
    const swap = { strategy: 'sleep', dwell_ms: 0 } as const;
    const settings: SettingsInput = {
      models: [FIRST, SECOND].map((id) => ({ id, swap })),
      supervisor: { port_range: [port, port + 20], state_dir: join(folder, 'state') },
    };
    const script = join(import.meta.dirname, '../supervisor/support/supervise.ts');
    const start = () =>
      run(process.execPath, [script, JSON.stringify(settings)], { cwd: folder, env: { SIM_SPEED: '0.01', SIM_START_MS: '200' } });
    await using gateway = await startTestGateway([], settings);
    await using killed = start();
    await gateway.gateway.firstReady;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    const pids = () => readRecords(join(folder, 'state/workers')).map(({ model, pid, life }) => [model, pid, life]);
    const before = pids();
    expect(before.map(([model, , life]) => [model, life])).toEqual(
      expect.arrayContaining([
        [FIRST, 'asleep'],
        [SECOND, 'ready'],
      ]),
    );
    killed.child.kill('SIGKILL');
    await killed.exited;
    await using again = start();
    const watched = watching(settingsSchema.parse(settings), folder);
    const state = async () => watched.state().catch(() => null);
    await until(async () => (await state())?.workers[0]?.state === 'ready', 'the worker taken over', 30_000);
    expect((await state())?.models).toMatchObject([
      { id: FIRST, asleep: true },
      { id: SECOND, state: 'ready' },
    ]);
    expect(pids()).toEqual(before);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
    expect(pids().map(([model, pid]) => [model, pid])).toEqual(before.map(([model, pid]) => [model, pid]));
    await watched.post('/v1/stop');
    expect(await again.exited).toBe(0);
    expect(watched.processes()).toEqual([]);
  });
});
