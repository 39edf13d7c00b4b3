import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { settingsSchema } from '../../gateway/config/schema/settings.ts';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { until } from '../support/gateway.ts';
import type { GpuHouse } from '../support/gpu-house.ts';
import { freePort } from '../support/ports.ts';
import { HOUSE_MODEL, houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';
import { watching } from '../supervisor/support/running-supervisor.ts';

const isReady = ({ state }: { state: string }) => state === 'ready';
const PROGRAM = fileURLToPath(new URL('../supervisor/support/supervise.ts', import.meta.url));

/** A ready worker on this machine whose supervisor was killed, and the settings it had. */
async function leftInHouse(house: GpuHouse) {
  const port = await freePort(21);
  const settings: SettingsInput = { models: [HOUSE_MODEL], supervisor: { port_range: [port, port + 20] } };
  const outside = watching(settingsSchema.parse(settings), house.folder);
  const env = { ...COMPILE_CACHE, PATH: house.path };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], { cwd: house.folder, stdio: 'ignore', env });
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const pid of outside.processes()) process.kill(pid, 'SIGKILL');
  });
  const worker = () =>
    outside.state().then(
      ({ workers }) => workers[0],
      () => undefined,
    );
  await expect.poll(async () => (await worker())?.state).toBe('ready');
  const pid = (await worker())!.pid!;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { settings, pid };
}

describe('an nvidia-smi that', { timeout: 180_000 }, () => {
  test('cannot read what is not needed keeps nobody from the right profile and a start', async () => {
    const house = houseWith(['t4']);
    const odd = { compute_cap: '[N/A]', 'power.draw': '[Not Supported]', 'temperature.gpu': 'ERR!', 'utilization.gpu': '[Unknown Error]' };
    await house.change(({ gpus }) => void Object.assign(gpus[0]!.values, odd));
    const supervisor = await superviseHouse(house);
    const view = await supervisor.worker(isReady);
    expect(view).toMatchObject({ profile: 't4', engine: 'vllm', degradation: [], lastFailure: null });
    expect(view.args).toEqual(expect.arrayContaining(['--dtype', 'half']));
    const { gpus } = await supervisor.state();
    expect(gpus).toMatchObject([{ name: 'Tesla T4', utilization: null, temperatureCelsius: null, powerWatts: null }]);
  });

  test('hangs is given up after five seconds, asked twice more, and no made-up answers are served in place of the model', async () => {
    const house = houseWith(['t4'], { smi: { SIM_SMI_FAULT: 'hang' } });
    const clock = createFakeClock();
    const starting = superviseHouse(house, { smiClock: clock });
    let isStarted = false;
    void starting.then(() => (isStarted = true));
    await until(() => house.looks() > 0, 'nvidia-smi is asked', 60_000);
    expect(isStarted).toBe(false);
    while (!isStarted) await Promise.all([clock.advance(5000), new Promise((done) => setTimeout(done, 20))]);
    const supervisor = await starting;
    expect(await supervisor.exitCode).toBe(1);
    const asked = supervisor.log.filter(({ msg }) =>
      String(msg).startsWith('The GPUs cannot be seen: nvidia-smi did not answer within 5 s'),
    );
    expect(asked.length).toBeGreaterThan(0);
    expect(supervisor.log).toContainEqual(
      expect.objectContaining({
        level: 'error',
        // The last of its processes may not be gone yet when it is to be asked once more.
        msg: expect.stringMatching(/the GPUs cannot be seen: nvidia-smi (did not answer within 5 s|hangs .*)\. headgate doctor tells more/),
      }),
    );
    expect(house.launches()).toEqual([]);
  });

  test('does not find the driver in time is found right by the next start', async () => {
    const house = houseWith(['t4']);
    house.breakDriver();
    const blind = await superviseHouse(house);
    expect(await blind.exitCode).toBe(1);
    expect(house.launches()).toEqual([]);
    house.mendDriver();
    const supervisor = await superviseHouse(house);
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'vllm', profile: 't4' });
  });

  test('says that the driver is not there, and finds it a moment later, is believed then', async () => {
    const house = houseWith(['t4'], { lateDriver: 2 });
    const supervisor = await superviseHouse(house);
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'vllm', profile: 't4' });
    const told = supervisor.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
    expect(told).toEqual(Array(2).fill(expect.stringMatching(/^The GPUs cannot be seen: .*driver.* Asking again in/)));
    expect(house.launches()).toHaveLength(1);
  });

  test('cannot talk to the driver any more does not cost a running engine its life: the next supervisor goes on with what it knows', async () => {
    const house = houseWith(['t4']);
    const left = await leftInHouse(house);
    house.breakDriver();
    const supervisor = await superviseHouse(house, left);
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'vllm', profile: 't4', pid: left.pid, restarts: 0 });
    expect(supervisor.log).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        msg: expect.stringMatching(/cannot be seen: .*mismatch.* Going on with what was there at .*: Tesla T4\.$/),
      }),
    );
    expect(house.launches()).toHaveLength(1);
    // And where the engine ends, it is started on those cards again, never replaced by a simulated one.
    process.kill(left.pid, 'SIGKILL');
    expect(await supervisor.worker((view) => isReady(view) && view.restarts > 0)).toMatchObject({ engine: 'vllm', profile: 't4' });
    expect(house.launches()[1]!.devices).toBe(house.launches()[0]!.devices);
  });

  test('has trouble where there is no vLLM is asked once: no start waits for what it cannot use', async () => {
    const house = houseWith(['t4'], { lateDriver: 1 });
    rmSync(join(house.folder, 'bin', 'vllm'));
    const supervisor = await superviseHouse(house);
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'sim' });
    expect(supervisor.log.filter(({ msg }) => String(msg).includes('Asking again'))).toEqual([]);
  });
});
