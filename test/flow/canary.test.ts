import { afterEach, expect, test } from 'vitest';
import type { CanaryStatus } from '../../gateway/canary/status.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

/** Quick to decide: a test is no evening. */
const CRITERIA = { limits: {}, canary: { min_calls: 5, p95_ttft_ratio: 100, p95_tpot_ratio: 100, p95_e2e_ratio: 100 } };

async function scene(): Promise<{ gateway: TestGateway; main: FakeVllm; canary: FakeVllm }> {
  const [main, canary] = [await startFakeVllm(), await startFakeVllm()];
  const workers = [{ url: main.url }, { url: canary.url, group: 'canary' }];
  const gateway = await startTestGateway([], { workers, retry: { max_attempts: 1, budget_ratio: 0 } });
  open.push(main, canary, gateway);
  await gateway.gateway.firstReady;
  await until(() => gateway.gateway.status().workers.every(({ state }) => state === 'ready'), 'both are ready');
  return { gateway, main, canary };
}

async function order(
  { url }: TestGateway,
  body?: object,
): Promise<{ status: number; body: CanaryStatus & { error?: { code: string; message: string } } }> {
  const response = await fetch(`${url}/admin/canary`, {
    method: body ? 'POST' : 'GET',
    headers: { ...AS_ADMIN, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as CanaryStatus };
}

async function chat({ url }: TestGateway): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: crypto.randomUUID() }] }),
  });
  await response.text();
  return response.status;
}

/** Chats until the canary has ended. @returns their statuses */
async function chatUntilOver(gateway: TestGateway): Promise<number[]> {
  const statuses: number[] = [];
  await until(async () => {
    for (let i = 0; i < 4; i++) statuses.push(await chat(gateway));
    return (await order(gateway)).body.state !== 'running';
  }, 'the canary is over');
  return statuses;
}

test('a canary that fails is rolled back, and no call is lost', async () => {
  const { gateway, main, canary } = await scene();
  main.script = answers.stream();
  canary.script = answers.error(500, { error: { message: 'no', type: 'x', param: null, code: 500 } });
  for (let i = 0; i < 10; i++) expect(await chat(gateway)).toBe(200);
  expect(canary.requests).toHaveLength(0);

  expect(await order(gateway, { action: 'start', steps: [50], step_seconds: 600, criteria: CRITERIA })).toMatchObject({
    status: 202,
    body: { state: 'running', percent: 50, group: 'canary' },
  });
  expect(new Set(await chatUntilOver(gateway))).toEqual(new Set([200]));
  const { body } = await order(gateway);
  expect(body).toMatchObject({ state: 'rolled_back', serving: 'main', percent: 0 });
  expect(canary.requests.length).toBeGreaterThan(0);
  const asked = canary.requests.length;
  for (let i = 0; i < 10; i++) expect(await chat(gateway)).toBe(200);
  expect(canary.requests).toHaveLength(asked);
  expect(gateway.log.filter(({ event }) => event === 'canary').map(({ state }) => state)).toEqual(['started', 'rolled_back']);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toMatch(/^headgate_canary_decisions_total\{result="rolled_back"\} 1$/m);
  expect(metrics).toMatch(/^headgate_canary_share_ratio 0$/m);
});

test('one that is as good gets all calls, until the list of workers changes', async () => {
  const { gateway, main, canary } = await scene();
  main.script = canary.script = answers.stream();
  await order(gateway, { action: 'start', steps: [50, 100], step_seconds: 1, criteria: CRITERIA });
  expect(new Set(await chatUntilOver(gateway))).toEqual(new Set([200]));
  expect((await order(gateway)).body).toMatchObject({ state: 'promoted', serving: 'canary' });
  const asked = main.requests.length;
  for (let i = 0; i < 10; i++) await chat(gateway);
  expect(main.requests).toHaveLength(asked);

  gateway.settings = { ...gateway.settings, workers: [{ url: main.url }, { url: canary.url, group: 'canary', max_num_seqs: 8 }] };
  expect(gateway.gateway.reload()).toMatchObject({ ok: true, changed: ['workers'] });
  expect((await order(gateway)).body).toMatchObject({ state: 'aborted', serving: 'main' });
});

test('what cannot be done is told', async () => {
  const { gateway } = await scene();
  expect((await order(gateway)).body).toMatchObject({ state: 'none', serving: 'main' });
  expect(await order(gateway, { action: 'start', steps: 'all' })).toMatchObject({
    status: 400,
    body: { error: { code: 'invalid_canary' } },
  });
  expect(await order(gateway, { action: 'start', group: 'other' })).toMatchObject({
    status: 409,
    body: { error: { code: 'canary_refused', message: expect.stringContaining('No worker is of group other') } },
  });
  const stranger = await fetch(`${gateway.url}/admin/canary`);
  expect(stranger.status).toBe(401);
  await stranger.body?.cancel();
});
