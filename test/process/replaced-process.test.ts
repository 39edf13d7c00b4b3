import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { expect, test } from 'vitest';
import type { AdminStatus } from '../../gateway/http/pages/admin-answers.ts';
import { ApiServer } from '../../scripts/shows/churn/api-server.ts';
import { Cluster, NAMESPACE } from '../../scripts/shows/churn/cluster.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { run } from '../support/process.ts';

// What a process that comes in the place of another knows of the workers, where it can hear of them from nobody but the processes that serve.

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

/** A gateway of two processes. */
async function start(settings: object) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-replaced-'));
  const file = join(folder, 'headgate.yaml');
  const write = (more: object): void => writeFileSync(file, stringify({ server: { port: 0, processes: 2 }, ...settings, ...more }));
  write({});
  const child = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  const [, url = ''] = await child.prints(/gateway on (http:\/\/[\d.:]+)/);
  const asked = (path: string, options: RequestInit = {}) =>
    fetch(`${url}${path}`, { ...options, headers: { ...AS_ADMIN, ...options.headers, connection: 'close' } });
  const status = async () => (await (await asked('/admin/status')).json()) as AdminStatus;
  const serving = async () => (await status()).gateway.processes ?? [];
  /** A connection each: all go to one of two processes in one of millions of times. */
  const many = <T>(one: () => Promise<T>) => Promise.all(Array.from({ length: 24 }, one));
  const chat = async () => {
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
    return (await asked('/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status;
  };
  return {
    ...{ child, write, asked, status, many, serving },
    ready: () => child.prints(/is ready on/),
    statuses: async () => [...new Set(await many(chat))],
    /** kill -9 of one, until another serves in its place. */
    async replace() {
      let before: readonly number[] = [];
      await until(async () => (before = await serving()).length === 2, 'both answer');
      process.kill(before[0]!, 'SIGKILL');
      await until(async () => {
        const now = await serving().catch(() => before);
        return now.length === 2 && !now.includes(before[0]!);
      }, 'another is in its place');
    },
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test('workers that the API server named before it went away', async () => {
  await using worker = await startFakeVllm();
  const cluster = new Cluster();
  await using api = await ApiServer.start(cluster);
  const { hostname, port } = new URL(worker.url);
  cluster.put('s', { ports: [{ name: 'http', port: Number(port) }], pods: [{ uid: 'u', address: hostname, ready: true }] });
  await using gateway = await start({
    discovery: { kubernetes: { api: api.url } },
    workers: [{ kubernetes: { namespace: NAMESPACE, service: 'vllm', port: 'http' } }],
  });
  await gateway.ready();
  // What whoever speaks for them knows is told once a second.
  await gateway.many(gateway.status);
  await until(async () => (await gateway.statuses()).join() === '200', 'all serve');
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  await api.down();
  await gateway.replace();
  expect(await gateway.statuses()).toEqual([200]);
  // What an operator does with them holds in it, too.
  const id = (await gateway.status()).workers[0]!.id;
  expect((await gateway.asked(`/admin/workers/${encodeURIComponent(id)}/drain`, { method: 'POST' })).status).toBe(202);
  const states = async () => [...new Set((await gateway.many(gateway.status)).map(({ workers }) => workers[0]!.state))];
  await until(async () => (await states()).join() === 'drained', 'both have it drained');
});

test('a worker that is listed no more and serves on, as nobody in its place is ready; and one that was drained and has been listed anew', async () => {
  await using old = await startFakeVllm();
  await using gone = await startFakeVllm();
  await using drained = await startFakeVllm();
  await gone.die();
  const [kept, next] = [{ url: old.url }, { url: gone.url }];
  await using gateway = await start({ workers: [kept, { url: drained.url }] });
  await gateway.ready();
  const reload = async (workers: object[]) => {
    gateway.write({ workers });
    expect((await gateway.asked('/admin/reload', { method: 'POST' })).status).toBe(202);
  };
  const id = new URL(drained.url).host;
  expect((await gateway.asked(`/admin/workers/${encodeURIComponent(id)}/drain`, { method: 'POST' })).status).toBe(202);
  await reload([kept]);
  await reload([next]);
  await gateway.child.prints(/serves on until a worker in its place is ready/);
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  await gateway.replace();
  expect(await gateway.statuses()).toEqual([200]);
  expect(old.requests.length).toBeGreaterThan(0);
  await reload([next, { url: drained.url }]);
  const isReady = async () =>
    (await gateway.many(gateway.status)).every(({ workers }) => workers.some((each) => each.id === id && each.state === 'ready'));
  await until(isReady, 'it is drained no more, in neither');
});

test('settings that were read anew while it began', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await start({ workers: [{ url: worker.url }] });
  // The first of them listens, and the second has just been started.
  for (let n = 1; n <= 20 && (n === 1 || (await gateway.serving()).length < 2); n++) {
    gateway.write({ batch_window: { window_ms: n } });
    gateway.child.child.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await until(async () => (await gateway.serving()).length === 2, 'both serve');
  gateway.write({ batch_window: { window_ms: 33 } });
  expect((await gateway.asked('/admin/reload', { method: 'POST' })).status).toBe(202);
  await until(
    async () =>
      (await gateway.many(async () => (await gateway.asked('/admin/config')).text())).every((text) =>
        /"window_ms":\s*\{?[^}]*33/.test(text),
      ),
    'both have what was written last',
  );
  expect(gateway.child.output()).not.toContain('process.exit');
});
