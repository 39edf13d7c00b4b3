import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFakeClock } from '../support/fake-clock.ts';
import { until } from '../support/gateway.ts';
import { houseWith, superviseHouse } from '../supervisor/support/house-supervisor.ts';

const isReady = ({ state }: { state: string }) => state === 'ready';

describe('an nvidia-smi that', { timeout: 60_000 }, () => {
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

  test('hangs is given up after five seconds, asked twice more, and the machine then counts as one without a GPU', async () => {
    const house = houseWith(['t4'], { smi: { SIM_SMI_FAULT: 'hang' } });
    const clock = createFakeClock();
    const starting = superviseHouse(house, { smiClock: clock });
    let isStarted = false;
    void starting.then(() => (isStarted = true));
    await until(() => house.looks() > 0, 'nvidia-smi is asked', 60_000);
    expect(isStarted).toBe(false);
    while (!isStarted) await Promise.all([clock.advance(5000), new Promise((done) => setTimeout(done, 20))]);
    const supervisor = await starting;
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'sim', profile: 'none' });
    const { gpus, engineReason } = await supervisor.state();
    // The last of its processes may not be gone yet when it is to be asked once more.
    expect(engineReason).toMatch(
      /^no GPU can be used \(nvidia-smi (did not answer within 5 s|hangs .*)\), so the simulated engine is used$/,
    );
    expect(gpus).toEqual([]);
    const asked = supervisor.log.filter(({ msg }) =>
      String(msg).startsWith('The GPUs cannot be seen: nvidia-smi did not answer within 5 s'),
    );
    expect(asked.length).toBeGreaterThan(0);
    expect(supervisor.log).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: expect.stringContaining('headgate doctor tells more') }),
    );
    expect(house.launches()).toEqual([]);
  });

  test('says that the driver is not there, and finds it a moment later, is believed then', async () => {
    const house = houseWith(['t4'], { lateDriver: 2 });
    const supervisor = await superviseHouse(house);
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'vllm', profile: 't4' });
    const told = supervisor.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
    expect(told).toEqual(Array(2).fill(expect.stringMatching(/^The GPUs cannot be seen: .*driver.* Asking again in/)));
    expect(house.launches()).toHaveLength(1);
  });

  test('has trouble where there is no vLLM is asked once: no start waits for what it cannot use', async () => {
    const house = houseWith(['t4'], { lateDriver: 1 });
    rmSync(join(house.folder, 'bin', 'vllm'));
    const supervisor = await superviseHouse(house);
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'sim' });
    expect(supervisor.log.filter(({ msg }) => String(msg).includes('Asking again'))).toEqual([]);
  });
});
