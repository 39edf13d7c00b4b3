import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { ask, chat } from './asking.ts';

async function tell(url: string, path: string): Promise<{ status: number; message: string }> {
  const response = await fetch(`${url}/admin/${path}`, { method: 'POST', headers: AS_ADMIN });
  const body = (await response.json()) as { message?: string; error?: { message: string } };
  return { status: response.status, message: body.message ?? body.error?.message ?? '' };
}

test('an operator drains an external worker and puts it back, by its id as it stands or escaped', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  const id = new URL(worker.url).host;
  const state = async () =>
    ((await (await fetch(`${gateway.url}/admin/status`, { headers: AS_ADMIN })).json()) as { workers: { state: string }[] }).workers[0]!
      .state;
  await until(async () => (await state()) === 'ready', 'the worker is ready');
  for (const name of [id, encodeURIComponent(id)]) {
    expect(await tell(gateway.url, `workers/${name}/drain`)).toMatchObject({
      status: 202,
      message: expect.stringContaining(`headgate undrain ${id}`),
    });
    await until(async () => (await state()) === 'drained', 'the worker is drained');
    const refused = await ask(gateway.url, chat());
    expect(refused.status).toBe(503);
    expect(await refused.text()).toContain('taken out of service by an operator');
    // Nothing comes back by itself.
    expect(refused.headers.has('retry-after')).toBe(false);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect((await tell(gateway.url, `workers/${name}/undrain`)).status).toBe(202);
    await until(async () => (await state()) === 'ready', 'the worker is ready again');
    expect((await ask(gateway.url, chat())).status).toBe(200);
  }
  expect(await tell(gateway.url, `workers/${id}/restart`)).toMatchObject({
    status: 409,
    message: expect.stringContaining('not launched by Headgate'),
  });
});

test('a model is named with its slashes, escaped or not; a name that nothing has is answered with the nearest and with all', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([], { workers: [{ url: worker.url, models: ['Qwen/Qwen3-8B', 'other'] }] });
  await until(async () => (await tell(gateway.url, 'models/other/load')).status === 202, 'the model is ready');
  expect((await tell(gateway.url, 'models/Qwen/Qwen3-8B/load')).status).toBe(202);
  expect((await tell(gateway.url, 'models/Qwen%2FQwen3-8B/load')).status).toBe(202);
  expect(await tell(gateway.url, 'models/Qwen%2FQwen3-8/load')).toEqual({
    status: 404,
    message: 'There is no model Qwen/Qwen3-8. Did you mean Qwen/Qwen3-8B? There is Qwen/Qwen3-8B, other.',
  });
  const id = new URL(worker.url).host;
  expect(await tell(gateway.url, `workers/${id}0/drain`)).toEqual({
    status: 404,
    message: `There is no worker ${id}0. Did you mean ${id}? There is ${id}.`,
  });
  expect((await tell(gateway.url, `workers/${id}/explode`)).status).toBe(404);
});

test('the listener lets the ids of operators through as it does those of models, and nothing else', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  for (const path of ['admin/%73tatus', 'admin%2Fstatus', 'admin/workers/../status', 'admin/workers/%zz/drain']) {
    expect([path, (await fetch(`${gateway.url}/${path}`, { method: 'POST', headers: AS_ADMIN })).status]).toEqual([
      path,
      expect.toBeOneOf([404, 405]),
    ]);
  }
});
