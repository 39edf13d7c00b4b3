import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { ask, chat, dataOf, errorOf, flow } from './asking.ts';
import { hold } from './holding.ts';
import { endsOf, settled, statsOf } from './settled.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

function reload(gateway: TestGateway): Promise<Response> {
  return fetch(`${gateway.url}/admin/reload`, { method: 'POST', headers: AS_ADMIN });
}

async function reloaded(gateway: TestGateway, settings: SettingsInput): Promise<{ changed: string[]; needs_restart: string[] }> {
  gateway.settings = settings;
  const response = await reload(gateway);
  expect(response.status).toBe(202);
  return (await response.json()) as Awaited<ReturnType<typeof reloaded>>;
}

test('a reload drops nothing that is in flight: not in a stream, at a worker, in the window or in the queue', async () => {
  await using worker = await startFakeVllm();
  const places = hold(worker, (request, response) =>
    (JSON.parse(request.body) as { stream?: boolean }).stream
      ? answers.stream(['a', 'b'])(request, response)
      : answers.completion()(request, response),
  );
  const settings: SettingsInput = {
    workers: [{ url: worker.url, max_num_seqs: 4 }],
    admission: { headroom: 0 },
    batch_window: { window_ms: 1_000, max_batch_size: 2 },
  };
  await using gateway = await startTestGateway([], settings);
  await gateway.gateway.firstReady;
  const { figures } = gateway.gateway;
  // A pair leaves its window at once; a single call is held in it.
  const calls = [ask(gateway.url, chat()), ask(gateway.url, chat({ stream: true }))];
  await places.reached(2);
  calls.push(ask(gateway.url, chat()));
  await until(() => figures.windowPending() === 1, 'one call held in the window');
  calls.push(ask(gateway.url, chat({ stream: true })));
  await places.reached(4);
  for (let i = 0; i < 3; i++) calls.push(ask(gateway.url, chat()));
  await until(() => figures.queueDepth('interactive') === 3, 'three calls in the queue');

  const answer = await reloaded(gateway, {
    ...settings,
    batch_window: { window_ms: 20 },
    admission: { headroom: 0, max_queue: 3 },
    timeouts: { idle_ms: 30_000 },
  });
  expect(answer.changed.toSorted()).toEqual([
    'admission.max_queue',
    'batch_window.max_batch_size',
    'batch_window.window_ms',
    'timeouts.idle_ms',
  ]);
  expect(answer.needs_restart).toEqual([]);
  expect(figures.inFlight()).toBe(7);
  expect(figures.queueDepth('interactive')).toBe(3);
  // The new limit holds for the next one.
  const refused = await ask(gateway.url, chat());
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-headgate-reason')).toBe('queue_full');

  places.open();
  const answered = await Promise.all(calls);
  expect(answered.map(({ status }) => status)).toEqual(calls.map(() => 200));
  for (const at of [1, 3]) expect(dataOf(await answered[at]!.text()).at(-1)).toBe('[DONE]');
  await settled(gateway);
  expect(endsOf(gateway).filter(({ outcome }) => outcome === 'complete')).toHaveLength(7);
});

test('what is held in a window leaves when the window is taken away', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 1_000 } });
  await gateway.gateway.firstReady;
  const held = ask(gateway.url, chat());
  await until(() => gateway.gateway.figures.windowPending() === 1, 'one held call');
  await reloaded(gateway, { batch_window: { window_ms: 0 } });
  expect(Number((await held).headers.get('x-headgate-window-ms'))).toBeLessThan(1_000);
  expect((await ask(gateway.url, chat())).headers.get('x-headgate-window-ms')).toBe('0');
  await reloaded(gateway, { batch_window: { window_ms: 30 } });
  expect(Number((await ask(gateway.url, chat())).headers.get('x-headgate-window-ms'))).toBeGreaterThanOrEqual(29);
  await settled(gateway);
});

test('settings that are wrong change nothing, and the answer says what is wrong', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { models: [{ id: 'm', aliases: ['good'] }] });
  await gateway.gateway.firstReady;
  gateway.settings = {
    models: [{ id: 'm', aliases: ['bad'] }],
    batch_window: { window_ms: 5_000 },
    admision: { max_queue: 1 },
  } as SettingsInput;
  const response = await reload(gateway);
  expect(response.status).toBe(400);
  const error = await errorOf(response);
  expect(error).toMatchObject({ type: 'invalid_request_error', code: 'invalid_settings' });
  expect(error.message).toContain('window_ms');
  expect(error.message).toContain('admission');
  expect(gateway.log.filter(({ event }) => event === 'config.reload')).toMatchObject([{ level: 'error' }]);
  expect((await ask(gateway.url, chat({ model: 'good' }))).status).toBe(200);
  expect((await ask(gateway.url, chat({ model: 'bad' }))).status).toBe(404);
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(page).toMatch(/^headgate_config_last_reload_successful 0$/m);
  await reloaded(gateway, {});
  expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(/^headgate_config_last_reload_successful 1$/m);
});

test('what settings name that cannot be looked at changes nothing, and costs nobody the gateway', async () => {
  await using worker = await startFakeVllm();
  const examine = (): never => {
    throw new Error('ENOENT: no such file, open profiles/gpu/t4.yaml');
  };
  await using gateway = await startTestGateway([worker.url], {}, examine);
  await gateway.gateway.firstReady;
  const response = await reload(gateway);
  expect(response.status).toBe(400);
  expect((await errorOf(response)).message).toContain('ENOENT');
  // As a signal it has nobody to answer to, and must not throw either.
  expect(gateway.gateway.reload()).toMatchObject({ ok: false });
  expect((await ask(gateway.url, chat())).status).toBe(200);
});

test('an alias comes and goes with a reload, and of the body only the name changes', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { models: ['m'] });
  await gateway.gateway.firstReady;
  expect((await ask(gateway.url, chat({ model: 'gpt-4' }))).status).toBe(404);
  expect((await reloaded(gateway, { models: [{ id: 'm', aliases: ['gpt-4'] }] })).changed).toEqual(['models[0].aliases']);

  const around = [
    '{ "seed": 9007199254740993,\n\t"temperature":1.0, "vllm_xargs" : {"model":"gpt-4"},"model" :  ',
    ' , "messages":[{"role":"user","content":"the model is \\"model\\":\\"gpt-4\\" \\u00e9 é"}],"stop":null, "top_p": 1e0}',
  ] as const;
  const response = await ask(gateway.url, `${around[0]}"gpt-4"${around[1]}`);
  expect(response.status).toBe(200);
  expect(response.headers.get('x-headgate-model')).toBe('m');
  expect(worker.requests.at(-1)?.body).toBe(`${around[0]}"m"${around[1]}`);
  expect(await (await fetch(`${gateway.url}/v1/models/gpt-4`)).json()).toMatchObject({
    id: 'gpt-4',
    root: 'm',
    headgate: { aliases: ['gpt-4'] },
  });

  await reloaded(gateway, { models: ['m'] });
  expect((await ask(gateway.url, chat({ model: 'gpt-4' }))).status).toBe(404);
});

test('workers come and go with a reload; a stream of one that leaves goes on to its end', async () => {
  await using first = await startFakeVllm();
  await using second = await startFakeVllm();
  const { promise: finishing, resolve: finish } = Promise.withResolvers<void>();
  first.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n');
    void finishing.then(() => {
      response.write('data: {"id":"1","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n');
      response.end('data: [DONE]\n\n');
    });
  };
  await using gateway = await startTestGateway([], { workers: [{ url: first.url }] });
  await gateway.gateway.firstReady;
  const stream = flow(await ask(gateway.url, chat({ stream: true })));
  await until(() => stream.text() !== '', 'the stream begun');

  const { changed } = await reloaded(gateway, { workers: [{ url: second.url }] });
  expect(changed).toEqual(['workers']);
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'the new worker ready');
  const next = await ask(gateway.url, chat());
  expect(next.headers.get('x-headgate-worker')).toBe(new URL(second.url).host);
  expect(await fetch(`${gateway.url}/stats`).then((answer) => answer.json())).toMatchObject({
    workers: [{ id: new URL(second.url).host }],
  });

  finish();
  expect(await stream.over).toBe('ended');
  expect(dataOf(stream.text()).at(-1)).toBe('[DONE]');
  await settled(gateway);
  await until(() => first.openSockets() === 0, 'every connection to the old worker closed');
});

test('what only holds after a restart is named, and stays as it was', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const { changed, needs_restart } = await reloaded(gateway, { server: { host: '127.0.0.2' }, log: { level: 'warn' } });
  expect(changed.toSorted()).toEqual(['log.level', 'server.host']);
  expect(needs_restart).toEqual(['server.host']);
  expect((await ask(gateway.url, chat())).status).toBe(200);
});

test('SIGHUP reads the file again; a wrong file changes nothing and is told in the log', async () => {
  await using worker = await startFakeVllm();
  const folder = await mkdtemp(join(tmpdir(), 'headgate-reload-'));
  try {
    const file = join(folder, 'settings.yaml');
    const always = { workers: [{ url: worker.url }], server: { port: 0 }, shutdown: { settle_ms: 0 } };
    const write = (models: SettingsInput['models']) => writeFile(file, JSON.stringify({ ...always, models }));
    await write(['m']);
    await using gateway = run(process.execPath, [CLI, 'gateway', '--config', file], { cwd: folder });
    const [, url] = await gateway.prints(/Headgate is ready on (\S+)/);
    expect((await ask(url!, chat({ model: 'gpt-4' }))).status).toBe(404);

    await write([{ id: 'm', aliases: ['gpt-4'] }]);
    gateway.child.kill('SIGHUP');
    await gateway.prints(/"event":"config.reload".*"msg":"settings reloaded"/);
    expect((await ask(url!, chat({ model: 'gpt-4' }))).status).toBe(200);

    await writeFile(file, 'server: { port: [');
    gateway.child.kill('SIGHUP');
    const [line] = await gateway.prints(/.*"event":"config.reload".*the old ones stay in force.*/);
    expect(line).toContain('settings.yaml:1:');
    expect((await ask(url!, chat({ model: 'gpt-4' }))).status).toBe(200);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
