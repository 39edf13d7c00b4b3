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

  test('hangs is given up after five seconds, and the machine counts as one without a GPU', async () => {
    const house = houseWith(['t4'], { smi: { SIM_SMI_FAULT: 'hang' } });
    const clock = createFakeClock();
    const starting = superviseHouse(house, { smiClock: clock });
    await until(() => house.looks() > 0, 'nvidia-smi is asked', 60_000);
    await clock.advance(5000);
    const supervisor = await starting;
    expect(await supervisor.worker(isReady)).toMatchObject({ engine: 'sim', profile: 'none' });
    expect(await supervisor.state()).toMatchObject({ gpus: [], engineReason: expect.stringContaining('the simulated engine is used') });
    expect(house.launches()).toEqual([]);
  });
});
