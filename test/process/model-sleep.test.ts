import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema, type SettingsInput } from '../../gateway/config/schema/settings.ts';
import { readRecords } from '../../supervisor/engine/record.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { QUICK, watching } from '../supervisor/support/running-supervisor.ts';
import { call, FIRST, ownSettings, SECOND, swapHouse, tell, THIRD } from './swap-house.ts';

/** Models that sleep while others have their card, a pretended RTX A4000 whose memory they share. The second sleeps more deeply. */
function sleepers(ids: readonly string[]): SettingsInput {
  const models = ids.map((id) => {
    const swap = { strategy: 'sleep', sleep_level: id === SECOND ? 2 : 1, dwell_ms: 0 } as const;
    return { id, swap };
  });
  return { models, supervisor: { profile: 'rtx-a4000' } };
}

/** With a file that the cards' memory is kept in. */
async function house(ids: readonly string[], speed = '0.01') {
  const vramIn = (folder: string) => join(folder, 'vram.json');
  const env = (folder: string) => ({ SIM_SPEED: speed, SIM_VRAM_FILE: vramIn(folder) });
  const built = await swapHouse({ settings: sleepers(ids), env });
  const state = join(built.folder, 'state');
  const log = (model: string) => readFileSync(join(state, 'logs', `worker-1.${model}.log`), 'utf8');
  const records = () => new Map(readRecords(join(state, 'workers')).map((record) => [record.model, record]));
  return { ...built, vram: vramIn(built.folder), log, records };
}

function failures(log: readonly Record<string, unknown>[]) {
  return log.filter(({ event }) => event === 'worker.failure');
}

describe('models that sleep', { timeout: 90_000 }, () => {
  test('swap without being loaded again: their processes stay, they finish their requests first, and they answer as before', async () => {
    const { gateway, supervisor, log, records } = await house([FIRST, SECOND], '0.1');
    await using _ = gateway;
    const first = await call(gateway, FIRST);
    const second = await call(gateway, SECOND, 12);
    expect(second).toMatchObject({ status: 200, served: SECOND });
    expect(await call(gateway, FIRST)).toEqual(first);
    expect(records().get(SECOND)).toMatchObject({ life: 'asleep', sleepLevel: 2 });
    // What FIRST has in hand when the other is wanted takes a while.
    const [long, again] = await Promise.all([call(gateway, FIRST, 100), call(gateway, SECOND, 12)]);
    expect(long).toMatchObject({ status: 200, served: FIRST });
    expect(again).toEqual(second);
    expect(await call(gateway, FIRST)).toEqual(first);
    const state = await supervisor.state();
    expect(state.workers).toMatchObject([{ state: 'ready', restarts: 0, degradation: [], models: [{ id: FIRST }] }]);
    expect(state.models).toMatchObject([
      { id: FIRST, state: 'ready', asleep: false },
      { id: SECOND, state: 'available', asleep: true, etaSeconds: expect.any(Number) },
    ]);
    // One start each, however often they were wanted.
    expect([...log(FIRST).matchAll(/Application startup complete/g)]).toHaveLength(1);
    expect([...log(SECOND).matchAll(/Application startup complete/g)]).toHaveLength(1);
    expect(log(FIRST)).toMatch(/Sleep mode freed \d+\.\d\d GiB memory/);
    expect([...log(FIRST).matchAll(/to wake up tags/g)]).toHaveLength(2);
    // Weights that were let go are read again.
    expect(log(SECOND)).toMatch(/Loading weights took .*\n[^]*wake up tags \{'kv_cache'\}/);
    expect(failures(supervisor.log)).toEqual([]);
    expect(supervisor.processes()).toHaveLength(4);
  });

  test('end for want of room, by death and by an operator, and are then loaded from the beginning', async () => {
    const { gateway, supervisor, records } = await house([FIRST, SECOND, THIRD]);
    await using _ = gateway;
    for (const model of [SECOND, THIRD]) expect(await call(gateway, model)).toMatchObject({ status: 200, served: model });
    // One may sleep: the one that had slept for longest has ended.
    expect([...records()].map(([model, { life }]) => [model, life]).toSorted()).toEqual([
      [THIRD, 'ready'],
      [SECOND, 'asleep'],
    ]);
    expect(supervisor.processes()).toHaveLength(4);
    expect(failures(supervisor.log)).toEqual([]);

    // The one that serves notices nothing of a death.
    process.kill(-records().get(SECOND)!.pid, 'SIGKILL');
    await until(() => failures(supervisor.log).length > 0, 'its death noticed');
    expect(await call(gateway, THIRD)).toMatchObject({ status: 200 });
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });

    expect(await tell(gateway, THIRD, 'unload')).toBe(202);
    await until(() => !records().has(THIRD), 'the sleeper ended');
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    // With what serves goes what sleeps.
    expect(records().get(SECOND)).toMatchObject({ life: 'asleep' });
    expect(await tell(gateway, FIRST, 'unload')).toBe(202);
    await until(() => supervisor.processes().length === 0, 'nothing left running');
  });

  test('and find no room to wake up into are loaded from the beginning, and say why', async () => {
    const { gateway, supervisor, vram: file, records } = await house([FIRST, SECOND]);
    await using _ = gateway;
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200 });
    const sleeper = records().get(FIRST)!.pid;
    // What it had does not fit any more: as if somebody had taken some of it meanwhile.
    const vram = JSON.parse(readFileSync(file, 'utf8')) as { gpus: { memory_total_mib: number }[] };
    vram.gpus[0]!.memory_total_mib = 14_336;
    writeFileSync(file, JSON.stringify(vram));
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    // Its end explains it better than its first sign did.
    expect(failures(supervisor.log)).toMatchObject([
      { class: 'wake-failed', next: 'retry' },
      { class: 'oom-wake', next: 'retry' },
    ]);
    expect((await supervisor.state()).workers).toMatchObject([{ lastFailure: { class: 'oom-wake' }, restarts: 1, degradation: [] }]);
    expect(records().get(FIRST)!.pid).not.toBe(sleeper);
  });
});

describe('a supervisor that comes back', { timeout: 90_000 }, () => {
  test('takes over what serves, whichever it is, as well as what sleeps, and leaves nothing behind when it stops', async () => {
    const { settings, folder } = await ownSettings({ models: sleepers([FIRST, SECOND]).models });
    const script = join(import.meta.dirname, '../supervisor/support/supervise.ts');
    const env = { SIM_SPEED: '0.01', SIM_START_MS: '50' };
    const start = () => run(process.execPath, [script, JSON.stringify(settings), JSON.stringify(QUICK)], { cwd: folder, env });
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
    expect((await state())?.workers).toMatchObject([{ models: [{ id: SECOND }], restarts: 0 }]);
    expect(pids()).toEqual(before);
    expect(await call(gateway, FIRST)).toMatchObject({ status: 200, served: FIRST });
    expect(await call(gateway, SECOND)).toMatchObject({ status: 200, served: SECOND });
    expect(pids().map(([model, pid]) => [model, pid])).toEqual(before.map(([model, pid]) => [model, pid]));
    await watched.post('/v1/stop');
    expect(await again.exited).toBe(0);
    expect(watched.processes()).toEqual([]);
  });
});
