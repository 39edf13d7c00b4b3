import { afterEach, describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import type { ServedSim } from '../support/sim.ts';
import { serveInside } from '../support/sim-inside.ts';
import { ask, chat } from './asking.ts';
import { gaugeOf } from './settled.ts';

// What is urgent goes before what has time in the engine too, where that engine goes by priority.

let gateway: TestGateway | undefined;
let worker: FakeVllm | ServedSim | undefined;

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
  await worker?.[Symbol.asyncDispose]();
});

async function infront(of: FakeVllm | ServedSim, policy: 'fcfs' | 'priority', more: SettingsInput = {}): Promise<TestGateway> {
  worker = of;
  gateway = await startTestGateway([], { workers: [{ url: of.url, scheduling_policy: policy }], ...more });
  await gateway.gateway.firstReady;
  return gateway;
}

describe('the body', () => {
  const AS_BATCH = { 'x-headgate-priority': 'batch' };

  test('says so to a worker that goes by it, whatever its client would have liked', async () => {
    const fake = await startFakeVllm();
    const to = await infront(fake, 'priority');
    const texts = ['{"model": "m", "seed": 9007199254740993}', '{"model":"m","priority":-7}'];
    for (const text of texts) for (const headers of [{}, AS_BATCH]) expect((await ask(to.url, text, { headers })).status).toBe(200);
    expect(fake.requests.map(({ body }) => body)).toEqual([
      '{"model": "m", "seed": 9007199254740993}',
      '{"model": "m", "seed": 9007199254740993,"priority":10}',
      '{"model":"m","priority":-7,"priority":0}',
      '{"model":"m","priority":-7,"priority":10}',
    ]);
  });

  test('is what the client sent for any other, until a reload says that the worker goes by it', async () => {
    const fake = await startFakeVllm();
    const to = await infront(fake, 'fcfs');
    await ask(to.url, '{"model":"m","service_tier":"flex","priority":-7}');
    to.settings = { workers: [{ url: fake.url, scheduling_policy: 'priority' }] };
    expect(to.gateway.reload()).toMatchObject({ ok: true, needsRestart: [] });
    await ask(to.url, '{"model":"m","service_tier":"flex"}');
    expect(fake.requests.map(({ body }) => body)).toEqual([
      '{"model":"m","service_tier":"flex","priority":-7}',
      '{"model":"m","service_tier":"flex","priority":10}',
    ]);
  });
});

test.each([
  ['priority', ['running', 'interactive', 'batch']],
  ['fcfs', ['running', 'batch', 'interactive']],
] as const)('an engine that goes by %s serves %j, as the real one does', async (policy, order) => {
  const args = ['--max-num-seqs', '1', '--scheduling-policy', policy, '--served-model-name', 'm'];
  const to = await infront(await serveInside({ args, env: { SIM_SPEED: '1' } }), policy);
  const served: string[] = [];
  const send = async (name: string, extra: object, headers = {}): Promise<void> => {
    const response = await ask(to.url, chat({ ignore_eos: true, max_tokens: 4, ...extra }), { headers });
    expect(response.status).toBe(200);
    await response.text();
    served.push(name);
  };
  const waiting = (count: number) =>
    until(async () => (await gaugeOf(worker!.url, 'num_requests_waiting')) === count, `${count} wait in the engine`);
  const stop = new AbortController();
  const running = ask(to.url, chat({ ignore_eos: true, max_tokens: 20_000, stream: true }), { signal: stop.signal });
  const first = await running;
  expect(first.status).toBe(200);
  const calls = [send('batch', {}, { 'x-headgate-priority': 'batch' })];
  await waiting(1);
  calls.push(send('interactive', {}));
  await waiting(2);
  served.push('running');
  stop.abort();
  await first.text().catch(() => '');
  await Promise.all(calls);
  expect(served).toEqual(order);
});
