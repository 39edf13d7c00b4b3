import { afterAll, beforeAll } from 'vitest';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { startSim, type RunningSim } from '../support/sim.ts';

export const MODEL = 'sim-1B';

/** For all tests of a file: a gateway before a simulated engine that calls tools. `onReady` is given both before the first test. */
export function beforeSimulatedEngine(
  onReady: (sim: RunningSim, gateway: TestGateway) => void,
  { model = MODEL, args = [] }: { model?: string; args?: readonly string[] } = {},
): void {
  let sim: RunningSim | undefined;
  let gateway: TestGateway | undefined;
  beforeAll(async () => {
    sim = await startSim({
      model,
      args: ['--max-model-len', '8192', '--enable-auto-tool-choice', '--tool-call-parser', 'hermes', ...args],
      env: { SIM_SPEED: '0.2' },
    });
    gateway = await startTestGateway([sim.url]);
    await gateway.gateway.firstReady;
    onReady(sim, gateway);
  }, 60_000);
  afterAll(async () => {
    await gateway?.stop();
    await sim?.stop();
  });
}
