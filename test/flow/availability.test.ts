import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { startSim } from '../support/sim.ts';
import { ask, chat, errorOf } from './asking.ts';
import { settled, statsOf } from './settled.ts';

const MODEL = 'sim-1B';

async function statuses(gateway: TestGateway): Promise<Record<string, number>> {
  const paths = ['livez', 'health', 'readyz', 'startupz'];
  return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, (await fetch(`${gateway.url}/${path}`)).status] as const)));
}

function expectRetryHint(response: Response): void {
  expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
  expect(Number(response.headers.get('retry-after-ms'))).toBeGreaterThan(0);
}

test('a gateway that starts before its worker says so, and serves once the worker is there', async () => {
  const port = await freePort();
  await using gateway = await startTestGateway([`http://127.0.0.1:${port}`]);
  expect(await statuses(gateway)).toEqual({ livez: 200, health: 200, readyz: 503, startupz: 503 });
  // Nobody knows yet which models there are, so none is called unknown: clients would not come back.
  for (const body of [chat({ model: MODEL }), { messages: [] }]) {
    const refused = await ask(gateway.url, body);
    expect(refused.status).toBe(503);
    expectRetryHint(refused);
    expect(refused.headers.get('x-headgate-reason')).toBe('no_worker');
    expect(await errorOf(refused)).toMatchObject({ type: 'service_unavailable_error', code: 'no_worker' });
  }

  await using sim = await startSim({ model: MODEL, args: ['--port', String(port)] });
  expect(sim.output()).toContain(String(port));
  await gateway.gateway.firstReady;
  expect(await statuses(gateway)).toEqual({ livez: 200, health: 200, readyz: 200, startupz: 200 });
  expect((await ask(gateway.url, chat({ model: MODEL, max_tokens: 2 }))).status).toBe(200);
  expect((await ask(gateway.url, chat({ model: 'unknown' }))).status).toBe(404);

  await sim.stop();
  await until(async () => (await statuses(gateway))['readyz'] === 503, '/readyz saying no');
  // It has been up once: that is not taken back, or an orchestrator would restart the gateway for a worker's fault.
  expect(await statuses(gateway)).toEqual({ livez: 200, health: 200, readyz: 503, startupz: 200 });
  expect((await ask(gateway.url, chat({ model: MODEL }))).status).toBe(503);
  expect((await ask(gateway.url, chat({ model: 'unknown' }))).status).toBe(404);
}, 180_000);

test('a gateway has started when any worker is ready: the default model may come later', async () => {
  await using sim = await startSim({ model: MODEL });
  await using gateway = await startTestGateway([], {
    workers: [
      { url: sim.url, models: [MODEL] },
      { url: `http://127.0.0.1:${await freePort()}`, models: ['first'] },
    ],
    models: [{ id: 'first' }, { id: MODEL }],
  });
  await until(async () => (await ask(gateway.url, chat({ model: MODEL, max_tokens: 2 }))).status === 200, 'the second model is served');
  expect(await statuses(gateway)).toEqual({ livez: 200, health: 200, readyz: 503, startupz: 200 });
});

test('a model that is configured but whose worker has not come is loading, not unknown', async () => {
  const port = await freePort();
  await using gateway = await startTestGateway([], {
    workers: [{ url: `http://127.0.0.1:${port}`, models: ['m'] }],
    models: [{ id: 'm', aliases: ['gpt-4'] }],
  });
  for (const model of ['m', 'gpt-4']) {
    const response = await ask(gateway.url, chat({ model }));
    expect(response.status).toBe(503);
    expectRetryHint(response);
    expect(response.headers.get('x-headgate-reason')).toBeOneOf(['worker_starting', 'no_worker']);
    expect(await errorOf(response)).toMatchObject({
      type: 'service_unavailable_error',
      code: expect.toBeOneOf(['model_loading', 'no_worker']),
    });
  }
  const { data } = (await (await fetch(`${gateway.url}/v1/models`)).json()) as { data: { id: string; headgate: { state: string } }[] };
  const headgate = { state: expect.not.stringMatching(/^ready$/) };
  expect(data).toMatchObject([
    { id: 'm', headgate },
    { id: 'gpt-4', headgate },
  ]);
  expect((await ask(gateway.url, chat({ model: 'other' }))).status).toBe(404);
});

test('each model is served by the workers that have it, and by no other when those are gone', async () => {
  await using one = await startFakeVllm(['m', 'shared']);
  await using two = await startFakeVllm(['n', 'shared']);
  await using gateway = await startTestGateway([one.url, two.url]);
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
  const workerOf = async (model: string): Promise<string | null> => {
    const response = await ask(gateway.url, chat({ model }));
    expect(response.status).toBe(200);
    return response.headers.get('x-headgate-worker');
  };
  for (let i = 0; i < 5; i++) {
    expect(await workerOf('m')).toBe(new URL(one.url).host);
    expect(await workerOf('n')).toBe(new URL(two.url).host);
    await workerOf('shared');
  }
  await two.die();
  await until(async () => (await statsOf(gateway)).workers.some(({ state }) => state !== 'ready'), 'the dead worker noticed');
  const gone = await ask(gateway.url, chat({ model: 'n' }));
  expect(gone.status).toBe(503);
  expectRetryHint(gone);
  expect(await errorOf(gone)).toMatchObject({ type: 'service_unavailable_error' });
  expect(await workerOf('m')).toBe(new URL(one.url).host);
  expect(await workerOf('shared')).toBe(new URL(one.url).host);
  await settled(gateway);
});

test('a worker that asks for a key gets its own; one with the wrong key never becomes ready', async () => {
  await using sim = await startSim({ model: MODEL, args: ['--api-key', 'right-key'] });
  await using gateway = await startTestGateway([], { workers: [{ url: sim.url, api_key: 'right-key' }] });
  await gateway.gateway.firstReady;
  const response = await ask(gateway.url, chat({ model: MODEL, max_tokens: 2 }), { headers: { authorization: 'Bearer of-the-client' } });
  expect(response.status).toBe(200);

  await using locked = await startTestGateway([], { workers: [{ url: sim.url, api_key: 'wrong-key' }] });
  await until(async () => {
    const { workers } = (await (await fetch(`${locked.url}/admin/status`, { headers: AS_ADMIN })).json()) as {
      workers: { last_failure: { message: string } | null }[];
    };
    return workers[0]?.last_failure?.message.includes('401') === true;
  }, 'the reason told to the operator');
  expect((await statuses(locked))['readyz']).toBe(503);
  for (const { log } of [gateway, locked]) expect(JSON.stringify(log)).not.toMatch(/right-key|wrong-key|of-the-client/);
}, 180_000);
