import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AdminStatus } from '../../gateway/http/pages/admin-answers.ts';
import type { UsageReport } from '../../gateway/usage/usage-report.ts';
import { ADMIN_KEY, AS_ADMIN } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { run, type RunningProcess } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const KEY = 'hg-the-key-of-the-app-1';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function usage(cwd: string, ...args: string[]): Promise<Ended> {
  const env = { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY };
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'usage', ...args], { cwd, env, timeout: 60_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });
}

/** A gateway of two processes, as soon as both serve. */
async function twoProcesses(folder: string): Promise<{ process: RunningProcess; url: string }> {
  const gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  const [, url = ''] = await gateway.prints(/is ready on (http:\/\/[\d.:]+)/);
  const status = async () => (await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as AdminStatus;
  await until(async () => (await status()).gateway.processes?.length === 2, 'both serve');
  return { process: gateway, url };
}

/** On a connection of its own, which goes to whichever process the kernel picks. */
async function chat(url: string, maxTokens = 16): Promise<number> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, connection: 'close' };
  const body = JSON.stringify({ model: 'm', max_tokens: maxTokens, messages: [{ role: 'user', content: 'hi' }] });
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body });
  await response.text();
  return response.status;
}

test('headgate usage tells what all processes have served, and what was served before they were killed', { timeout: 180_000 }, async () => {
  const folder = scratchFolder();
  await using worker = await startFakeVllm();
  const settings = { workers: [{ url: worker.url }], server: { port: 0, processes: 2 }, auth: { keys: [{ name: 'app', key: KEY }] } };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify({ ...settings, shutdown: { settle_ms: 0 } }));

  const none = await usage(folder);
  expect(none).toMatchObject({ code: 1, out: '', err: expect.stringContaining('No gateway answers on') as unknown });

  const first = await twoProcesses(folder);
  expect((await usage(folder)).out).toMatch(/^Nothing was used since .* UTC\.\n$/);
  for (let i = 0; i < 24; i++) expect(await chat(first.url)).toBe(200);
  const told = await usage(folder);
  expect(told).toMatchObject({ code: 0, err: '' });
  expect(told.out).toMatch(
    /^Since \d{4}-\d\d-\d\d \d\d:00 UTC\nKEY +MODEL +REQUESTS +PROMPT +OF IT CACHED +COMPLETION +TOKENS\napp +m +24 +\d+ +\d+ +\d+ +\d+\n$/,
  );
  process.kill(-first.process.child.pid!, 'SIGKILL');
  await first.process.exited;

  const second = await twoProcesses(folder);
  await using gateway = second.process;
  expect(await chat(second.url)).toBe(200);
  const json = JSON.parse((await usage(folder, '--json', '--key', 'app', '--since', '2d')).out) as UsageReport;
  expect(json).toMatchObject({ problem: null, usage: [{ key: 'app', requests: 25 }] });
  expect((await usage(folder, '--key', 'nobody')).out).toMatch(/^Nothing was used/);
  expect(await usage(folder, '--since', 'soon')).toMatchObject({ code: 2, err: expect.stringContaining('since is no time') as unknown });
  expect(gateway.output()).not.toContain(KEY);
});

test('two processes together use a budget up, and no more; what they used is known after a kill', { timeout: 180_000 }, async () => {
  const USED = 5;
  const BUDGET = 300;
  const folder = scratchFolder();
  await using worker = await startFakeVllm();
  const settings = {
    workers: [{ url: worker.url }],
    server: { port: 0, processes: 2 },
    auth: { keys: [{ name: 'app', key: KEY, limits: { tokens_per_day: BUDGET } }] },
    shutdown: { settle_ms: 0 },
  };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const first = await twoProcesses(folder);
  const day = new Date().getUTCDate();
  let answered = 0;
  let refused = 0;
  // What one holds while it runs another is refused for: one that comes later is not.
  for (let round = 0; refused < 100 && round < 100; round++) {
    const statuses = await Promise.all(Array.from({ length: 6 }, () => chat(first.url)));
    answered += statuses.filter((status) => status === 200).length;
    refused = statuses.every((status) => status === 429) ? refused + 50 : 0;
    expect(statuses.every((status) => status === 200 || status === 429)).toBe(true);
  }
  expect(answered * USED).toBeLessThanOrEqual(BUDGET);
  // The last may have asked for more than there was left.
  expect(answered * USED).toBeGreaterThan(BUDGET - 40);
  const report = JSON.parse((await usage(folder, '--json')).out) as UsageReport;
  expect(report.usage).toMatchObject([{ key: 'app', requests: answered }]);
  process.kill(-first.process.child.pid!, 'SIGKILL');
  await first.process.exited;

  const second = await twoProcesses(folder);
  await using _gateway = second.process;
  const statuses = await Promise.all(Array.from({ length: 8 }, () => chat(second.url, 40)));
  // At midnight there is a new day.
  if (new Date().getUTCDate() === day) expect(new Set(statuses)).toEqual(new Set([429]));
});
