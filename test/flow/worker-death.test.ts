import { expect, test } from 'vitest';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { startSim } from '../support/sim.ts';
import { ask, chat, contentOf, errorAtEnd, errorOf, flow } from './asking.ts';
import { endsOf, gaugeOf, settled, statsOf } from './settled.ts';

const MODEL = 'sim-1B';
const STREAMS = 20;
/** Calls that wait at the worker when it dies. All have the same body, as a batch of one prompt would. */
const STUCK = 4;

/** Workers are named by host and port. */
function idOf(url: string): string {
  return new URL(url).host;
}

async function stateOf(gateway: TestGateway, id: string): Promise<string | undefined> {
  return (await statsOf(gateway)).workers.find((worker) => worker.id === id)?.state;
}

async function loadOf(gateway: TestGateway, id: string): Promise<number> {
  return (await statsOf(gateway)).workers.find((worker) => worker.id === id)?.in_flight ?? 0;
}

test('a killed worker ends its streams with an error, loses no call without a byte, and serves again when it is back', async () => {
  // uvicorn's limit, shortened so that kept connections are gone within the test.
  const env = { SIM_SPEED: '1', SIM_START_MS: '100', VLLM_HTTP_TIMEOUT_KEEP_ALIVE: '3' };
  await using doomed = await startSim({ model: MODEL, env });
  await using other = await startSim({ model: MODEL, env });
  await using gateway = await startTestGateway([doomed.url, other.url], { load_balancer: { slow_start_ms: 0 } });
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
  const doomedId = idOf(doomed.url);
  const otherId = idOf(other.url);
  const long = { model: MODEL, stream: true, max_tokens: 20_000, ignore_eos: true };

  // === streams flow on both ===
  const leaving = new AbortController();
  const flows = await Promise.all(
    Array.from({ length: STREAMS }, async (_, i) =>
      flow(await ask(gateway.url, chat(long), { headers: { 'x-request-id': `stream-${i}` }, signal: leaving.signal })),
    ),
  );
  await until(() => flows.every((one) => contentOf(one.text()).length > 20), 'every stream flowing', 20_000);
  const onDoomed = flows.filter(({ response }) => response.headers.get('x-headgate-worker') === doomedId);
  const onOther = flows.filter(({ response }) => response.headers.get('x-headgate-worker') === otherId);
  expect(onDoomed.length).toBeGreaterThan(0);
  expect(onOther.length).toBeGreaterThan(0);

  // === calls that have no byte yet: the engine is stuck, and nobody but its clients could know ===
  await doomed.fault({ fault: 'hang' });
  const calls: Promise<Response>[] = [];
  const stuckCalls = async () => (await loadOf(gateway, doomedId)) - onDoomed.length;
  // The balancer decides where each goes, so there are more until enough have gone there.
  for (const end = Date.now() + 20_000; (await stuckCalls()) < STUCK && Date.now() < end;) {
    for (let i = 0; i < STUCK; i++) {
      calls.push(ask(gateway.url, chat({ model: MODEL, max_tokens: 5 }), { headers: { 'x-request-id': `call-${calls.length}` } }));
    }
    await until(async () => (await loadOf(gateway, otherId)) === onOther.length, 'the calls of the other worker answered', 20_000);
  }
  const stuck = await stuckCalls();
  expect(stuck).toBeGreaterThanOrEqual(STUCK);

  // === death ===
  await doomed.stop();
  const answered = await Promise.all(calls);
  for (const response of answered) {
    expect(response.status).toBe(200);
    expect(((await response.json()) as { usage: { completion_tokens: number } }).usage.completion_tokens).toBe(5);
    expect(response.headers.get('x-headgate-worker')).toBe(otherId);
  }
  const twice = answered.filter((response) => response.headers.get('x-headgate-attempts') === '2');
  expect(twice).toHaveLength(stuck);
  for (const one of onDoomed) {
    expect(await one.over).toBe('ended');
    expect(errorAtEnd(one.text())).toMatchObject({ type: 'server_error', code: 'upstream_disconnected' });
  }
  await until(async () => (await stateOf(gateway, doomedId)) !== 'ready', 'the dead worker out of the ready set');
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);

  // The others notice nothing.
  const soFar = onOther.map((one) => one.text().length);
  await until(() => onOther.every((one, i) => one.text().length > soFar[i]!), 'the other worker’s streams flowing on');
  for (const one of onOther) expect(one.text()).not.toContain('"error"');
  leaving.abort();
  await settled(gateway);

  // === it comes back at the same place ===
  await using again = await startSim({ model: MODEL, env, args: ['--port', String(doomed.port)] });
  expect(again.output()).toContain(String(doomed.port));
  await until(async () => (await stateOf(gateway, doomedId)) === 'ready', 'the worker ready again', 20_000);
  await until(
    async () => {
      const response = await ask(gateway.url, chat({ model: MODEL, max_tokens: 2 }), { headers: { 'x-request-id': 'again' } });
      expect(response.status).toBe(200);
      await response.arrayBuffer();
      return response.headers.get('x-headgate-worker') === doomedId;
    },
    'an answer of the worker that came back',
    20_000,
  );

  // === the books ===
  await settled(gateway);
  const ids = [...flows.keys()].map((i) => `stream-${i}`).concat([...calls.keys()].map((i) => `call-${i}`));
  for (const id of ids) expect(endsOf(gateway, id)).toHaveLength(1);
  const outcomes = flows.map((_, i) => endsOf(gateway, `stream-${i}`)[0]?.['outcome']);
  expect(outcomes.filter((outcome) => outcome === 'broken')).toHaveLength(onDoomed.length);
  expect(outcomes.filter((outcome) => outcome === 'disconnected')).toHaveLength(onOther.length);
  expect(await gaugeOf(other.url, 'num_requests_running')).toBe(0);
  await until(() => gateway.gateway.openUpstreamSockets() === 0, 'every connection to the workers closed', 20_000);
}, 180_000);

test('an engine that dies under a living front end breaks its streams and is left alone', async () => {
  await using sim = await startSim({ model: MODEL, env: { SIM_SPEED: '0.2' } });
  await using gateway = await startTestGateway([sim.url]);
  await gateway.gateway.firstReady;
  const streams = await Promise.all(
    Array.from({ length: 5 }, async () =>
      flow(await ask(gateway.url, chat({ model: MODEL, stream: true, max_tokens: 4_000, ignore_eos: true }))),
    ),
  );
  await until(() => streams.every((one) => contentOf(one.text()) !== ''), 'every stream flowing');
  await sim.fault({ fault: 'engine-death' });
  for (const one of streams) {
    expect(await one.over).toBe('ended');
    // vLLM says [DONE] after its own error; a client must not hear that.
    expect(errorAtEnd(one.text())).toMatchObject({ type: 'server_error' });
    expect(one.text()).not.toContain('EngineCore');
  }
  const id = idOf(sim.url);
  await until(async () => (await stateOf(gateway, id)) !== 'ready', 'the worker out of the ready set');
  const refused = await ask(gateway.url, chat({ model: MODEL }));
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
  await errorOf(refused);
  await settled(gateway);
}, 180_000);

test('a worker that keeps failing is left alone, probed by one call at a time, and taken back', async () => {
  await using bad = await startFakeVllm();
  await using good = await startFakeVllm();
  await using gateway = await startTestGateway([bad.url, good.url], {
    circuit_breaker: { failures: 3, open_ms: 1_000, success_to_close: 2 },
    load_balancer: { policy: 'round_robin' },
  });
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
  const badId = idOf(bad.url);
  const breaker = () => gateway.gateway.figures.breakers().get(badId)?.state ?? 'closed';
  let seed = 0;
  const once = async (): Promise<string | null> => {
    const response = await ask(gateway.url, chat({ seed: seed++ }));
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    return response.headers.get('x-headgate-worker');
  };

  bad.script = answers.error(500, { error: { message: 'boom', type: 'InternalServerError', param: null, code: 500 } });
  for (let i = 0; breaker() !== 'open'; i++) {
    expect(i).toBeLessThan(20);
    expect(await once()).toBe(idOf(good.url));
  }
  expect(bad.requests).toHaveLength(3);

  // It is asked again by one call, and nobody waits for that one.
  const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
  let probes = 0;
  bad.script = (request, response) => {
    probes += 1;
    void release.then(() => answers.completion()(request, response));
  };
  const probing: Promise<unknown>[] = [];
  await until(async () => {
    probing.push(once());
    await new Promise((resolve) => setTimeout(resolve, 20));
    return probes > 0;
  }, 'a probe');
  for (let i = 0; i < 6; i++) expect(await once()).toBe(idOf(good.url));
  expect(probes).toBe(1);
  expect(breaker()).toBe('half_open');
  letGo();
  await Promise.all(probing);
  await until(async () => {
    await once();
    return breaker() === 'closed';
  }, 'the breaker closed');

  const transitions = gateway.log.filter((line) => line['event'] === 'breaker').map((line) => `${line['from']} ${line['to']}`);
  expect(transitions).toEqual(['closed open', 'open half_open', 'half_open closed']);
  await settled(gateway);
});

test('when every breaker is open the answer says when to come back', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.error(500, 'Internal Server Error', 'text/plain');
  await using gateway = await startTestGateway([worker.url], { circuit_breaker: { failures: 2 } });
  await gateway.gateway.firstReady;
  for (let i = 0; i < 2; i++) {
    // One body is one witness.
    const failed = await ask(gateway.url, chat({ seed: i }));
    expect(failed.status).toBe(502);
    expect(failed.headers.get('x-headgate-reason')).toBe('upstream');
    expect(await errorOf(failed)).toMatchObject({ type: 'server_error', code: 'upstream_error' });
  }
  const refused = await ask(gateway.url, chat());
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('breaker_open');
  expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
  expect(Number(refused.headers.get('retry-after-ms'))).toBeGreaterThan(0);
  expect(await errorOf(refused)).toMatchObject({ type: 'service_unavailable_error', code: 'server_is_overloaded' });
  expect(worker.requests).toHaveLength(2);
  await settled(gateway);
});

test('a request that two workers die of is not fed to a third', async () => {
  await using first = await startFakeVllm();
  await using second = await startFakeVllm();
  await using third = await startFakeVllm();
  const workers = [first, second, third];
  for (const worker of workers) worker.script = (_request, response) => void response.socket?.resetAndDestroy();
  await using gateway = await startTestGateway(
    workers.map(({ url }) => url),
    { retry: { max_attempts: 3 } },
  );
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'all workers ready');
  const poison = chat({ seed: 666 });
  for (let i = 0; i < 2; i++) {
    const response = await ask(gateway.url, poison);
    expect(response.status).toBe(422);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('x-headgate-reason')).toBe('suspect');
    expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'request_crashed_worker' });
  }
  expect(workers.flatMap(({ requests }) => requests)).toHaveLength(2);

  // Another request is another matter.
  for (const worker of workers) worker.script = answers.completion();
  expect((await ask(gateway.url, chat({ seed: 7 }))).status).toBe(200);
  await settled(gateway);
});
