import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import type { AdminConfig } from '../../gateway/http/pages/admin-answers.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { run } from '../support/process.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

test.each([1, 2])('settings are tried on %d process(es) that serve, and end by themselves', async (processes) => {
  await using worker = await startFakeVllm();
  const folder = mkdtempSync(join(tmpdir(), 'headgate-trial-'));
  writeFileSync(join(folder, 'headgate.yaml'), stringify({ server: { port: 0, processes }, workers: [{ url: worker.url }] }));
  await using gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  const [, url = ''] = await gateway.prints(/is ready on (http:\/\/[\d.:]+)/);
  const order = async (body: object) => {
    const response = await fetch(`${url}/admin/trial`, {
      method: 'POST',
      headers: { ...AS_ADMIN, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ owner: 'test', ...body }),
    });
    return { status: response.status, body: (await response.json()) as { changed?: string[]; error?: { code: string; message: string } } };
  };
  // A connection each, so that several processes are asked.
  const windows = async () =>
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const response = await fetch(`${url}/admin/config`, { headers: { ...AS_ADMIN, connection: 'close' } });
        const config = (await response.json()) as AdminConfig;
        return JSON.stringify(config).includes('tried by test');
      }),
    );

  expect(await order({ settings: { 'batch_window.window_ms': 20 }, seconds: 600 })).toMatchObject({
    status: 202,
    body: { changed: ['batch_window.window_ms'] },
  });
  expect(new Set(await windows())).toEqual(new Set([true]));
  expect(await order({ settings: { 'auth.keys': [] }, seconds: 5 })).toMatchObject({
    status: 409,
    body: { error: { code: 'trial_refused' } },
  });
  expect(await order({ settings: 5, seconds: 5 })).toMatchObject({ status: 400, body: { error: { code: 'invalid_trial' } } });
  // What is refused is no reload that failed: nobody is to be woken for it.
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toMatch(/^headgate_config_last_reload_successful 1$/m);
  expect(await order({ settings: { 'batch_window.window_ms': 50 }, seconds: 1 })).toMatchObject({ status: 202 });
  await until(async () => (await windows()).every((tried) => !tried), 'the trial is over');
  await gateway.prints(/test tries no settings any more/);

  const stranger = await fetch(`${url}/admin/trial`, { method: 'POST', body: '{}' });
  expect(stranger.status).toBe(401);
  await stranger.body?.cancel();
  rmSync(folder, { recursive: true, force: true });
});

test.each([1, 2])(
  'settings that are tried bring no key back that was taken away, on %d process(es)',
  async (processes) => {
    await using worker = await startFakeVllm();
    const folder = mkdtempSync(join(tmpdir(), 'headgate-trial-'));
    const keys = join(folder, 'keys.yaml');
    writeFileSync(keys, stringify({ keys: [{ name: 'gone', key: 'hg-gone-before-the-trial' }] }));
    writeFileSync(
      join(folder, 'headgate.yaml'),
      stringify({ server: { port: 0, processes }, workers: [{ url: worker.url }], auth: { keys_file: 'keys.yaml' } }),
    );
    await using gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
    const [, url = ''] = await gateway.prints(/is ready on (http:\/\/[\d.:]+)/);
    // A connection each, so many that each process gets one: of 6 all go to the same now and then.
    const statuses = async (key: string) => {
      const headers = { authorization: `Bearer ${key}`, connection: 'close' };
      return [...new Set(await Promise.all(Array.from({ length: 24 }, async () => (await fetch(`${url}/v1/models`, { headers })).status)))];
    };
    const trial = async (body: object) => {
      const headers = { ...AS_ADMIN, 'content-type': 'application/json' };
      return (await fetch(`${url}/admin/trial`, { method: 'POST', headers, body: JSON.stringify({ owner: 'test', ...body }) })).status;
    };
    expect(await statuses('hg-gone-before-the-trial')).toEqual([200]);
    writeFileSync(keys, stringify({ keys: [{ name: 'new', key: 'hg-here-since-then' }] }));
    await until(async () => (await statuses('hg-here-since-then')).join() === '200', 'the new key holds');

    expect(await trial({ settings: { 'batch_window.window_ms': 5 }, seconds: 60 })).toBe(202);
    expect([await statuses('hg-gone-before-the-trial'), await statuses('hg-here-since-then')]).toEqual([[401], [200]]);
    expect(await trial({ end: true })).toBe(202);
    expect([await statuses('hg-gone-before-the-trial'), await statuses('hg-here-since-then')]).toEqual([[401], [200]]);
    await gateway[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  },
  120_000,
);
