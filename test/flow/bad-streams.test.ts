import { expect, test } from 'vitest';
import { startTestGateway, until } from '../support/gateway.ts';
import { startSim } from '../support/sim.ts';
import { breakerCase } from '../vllm/traffic/breaker-case.ts';
import { mixedTraffic } from '../vllm/traffic/mixed.ts';
import { tokenCase } from '../vllm/traffic/token-case.ts';
import { settled, statsOf } from './settled.ts';

// The same traffic that is sent to a real vLLM (npm run test:vllm:traffic).

const MODEL = 'sim-1B';
const SIM = { model: MODEL, args: ['--runner', 'generate', '--max-model-len', '1024'], env: { SIM_SPEED: '0' } };

test.each([1, 2])(
  'bad streams beside good calls close no way to %i workers',
  async (count) => {
    await using stack = new AsyncDisposableStack();
    const sims = await Promise.all(Array.from({ length: count }, async () => stack.use(await startSim(SIM))));
    await using gateway = await startTestGateway(sims.map(({ url }) => url));
    await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'all ready');
    expect(await breakerCase(gateway.url, MODEL, { good: 8 })).toEqual([]);
    await settled(gateway);
    for (const sim of sims) await sim.stop();
  },
  120_000,
);

test('of a mixed run every good call is answered, and each kind of call is counted as the engine counts it', async () => {
  await using sim = await startSim(SIM);
  await using gateway = await startTestGateway([sim.url]);
  await gateway.gateway.firstReady;
  expect(await tokenCase(gateway.url, [sim.url], MODEL)).toEqual([]);
  const { counts, problems } = await mixedTraffic({ gateway: gateway.url, model: MODEL, minutes: 1 / 20, clients: 4, say: () => {} });
  expect(problems).toEqual([]);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(0);
  await settled(gateway);
}, 120_000);
