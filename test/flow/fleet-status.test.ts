import { afterEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway, until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';

// What the status of a gateway that launches nothing tells of those that it depends on.

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

type Status = ReturnType<TestGateway['gateway']['status']>;

async function fake(...models: readonly string[]): Promise<FakeVllm> {
  const worker = await startFakeVllm(models);
  open.push(worker);
  return worker;
}

async function statusOf({ url }: TestGateway): Promise<Status> {
  return (await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as Status;
}

async function gatewayOf(workers: readonly string[], settings: SettingsInput = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(workers, settings);
  open.push(gateway);
  await gateway.gateway.firstReady;
  return gateway;
}

test('it tells names behind a model that no worker serves, as long as all workers have said what they serve', async () => {
  const [a, b] = [await fake('qwen-a', 'qwen-b'), await fake('small')];
  const models = [{ id: 'chat', pool: ['qwen-a', 'qwen-q'], fallback: ['smal'] }];
  const gateway = await gatewayOf([a.url, b.url], { models });
  const unserved = async () => (await statusOf(gateway)).models[0]?.unserved;
  await until(async () => (await unserved()) !== undefined, 'both are known');
  expect(await unserved()).toEqual([
    { name: 'qwen-q', in: 'pool', near: 'qwen-b' },
    { name: 'smal', in: 'fallback', near: 'small' },
  ]);
  await b.die();
  await until(async () => (await unserved()) === undefined, 'that one of them may come back as another');
});

test('it tells that the store is away, and nothing of one where there is none', async () => {
  const { url } = await fake('m');
  const state = { url: `redis://127.0.0.1:${await freePort()}`, when_unavailable: 'allow' } as const;
  expect((await statusOf(await gatewayOf([url], { state }))).store).toEqual({ answers: false, when_unavailable: 'allow' });
  expect((await statusOf(await gatewayOf([url]))).store).toBeNull();
});
