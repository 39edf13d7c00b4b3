import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

interface WorkerStatus {
  readonly id: string;
  readonly state: string;
  readonly url: string;
  readonly in_flight: number;
  readonly restarts: number;
  readonly degradation: readonly { readonly setting: string; readonly to: string; readonly reason: string }[];
  readonly last_failure: { readonly class: string; readonly advice: string } | null;
}

test.each([
  ['of two, whose calls go to the other', 2],
  ['that is the only one, whose calls wait for it', 1],
])(
  'memory that runs out under load costs streams an error, waiting calls nothing, and the worker one setting: a worker %s',
  { timeout: 90_000 },
  async (_which, replicas) => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-oom-'));
    const [port, first] = [await freePort(), await freePort(21)];
    const settings = {
      server: { port },
      models: [{ id: 'qwen2.5-1.5b-instruct-awq', engine: { max_num_seqs: 32 } }],
      supervisor: { engine: 'sim', replicas, port_range: [first, first + 20] },
      load_balancer: { slow_start_ms: 0 },
      log: { level: 'warn' },
    };
    writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
    const cards = { SIM_GPU: Array(replicas).fill('rtx-4080').join(',') };
    await using headgate = run(process.execPath, [CLI], { cwd: folder, env: { SIM_FAULTS: '1', SIM_START_MS: '100', ...cards } });
    await headgate.prints(/Headgate is ready on/);
    const url = `http://127.0.0.1:${port}`;
    const workers = async () =>
      ((await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as { workers: WorkerStatus[] }).workers;
    await until(async () => (await workers()).every(({ state }) => state === 'ready'), 'every worker is ready', 30_000);

    const begun = new Set<string>();
    const ask = (stream: boolean, text: string) =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ messages: [{ role: 'user', content: text }], stream, max_tokens: 400, ignore_eos: true }),
      }).then(async (response) => {
        // A stream's head waits for its first event.
        if (stream) begun.add(response.headers.get('x-headgate-worker') ?? '');
        return { status: response.status, attempts: response.headers.get('x-headgate-attempts'), text: await response.text() };
      });
    const streams = Array.from({ length: 12 }, (_, i) => ask(true, `stream ${i}`));
    const wholes = Array.from({ length: 12 }, (_, i) => ask(false, `whole ${i}`));
    await until(async () => (await workers()).every(({ in_flight }) => in_flight >= 24 / replicas / 2), 'every worker is busy');
    const victim = (await workers())[0]!;
    await until(() => begun.has(victim.id), 'it streams');
    const fault = await fetch(`${victim.url}/sim/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"fault":"oom-runtime"}',
    });
    expect({ status: fault.status, text: await fault.text() }).toMatchObject({ status: 200 });
    // Others come before anybody has noticed, and after.
    for (let i = 0; i < 40; i++) {
      wholes.push(ask(false, `whole ${wholes.length}`));
      await sleep(10);
    }

    const told = await Promise.all(streams);
    const broken = told.filter(({ text }) => text.includes('"error"'));
    expect(broken.length).toBeGreaterThan(0);
    for (const { status, text } of told) {
      expect(status).toBe(200);
      expect(text.includes('[DONE]')).not.toBe(text.includes('"error"'));
    }
    const answered = await Promise.all(wholes);
    // Whatever was refused is shown whole: its words say why.
    expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answered.some(({ attempts }) => attempts === '2')).toBe(true);

    await until(async () => (await workers())[0]!.state === 'ready' && (await workers())[0]!.restarts === 1, 'it serves again', 30_000);
    const after = (await workers())[0]!;
    expect(after.last_failure?.class).toBe('oom-runtime');
    expect(after.last_failure?.advice).not.toBe('');
    expect(after.degradation.map(({ setting }) => setting)).toEqual(['gpu_memory_utilization']);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain(`headgate_worker_oom_total{worker="${victim.id}",class="runtime"} 1`);
    expect((await ask(false, 'after')).status).toBe(200);

    await using doctor = run(process.execPath, [CLI, 'doctor'], { cwd: folder, env: cards });
    await doctor.exited;
    expect(doctor.output()).toMatch(
      /After failures it starts with gpu_memory_utilization [\d.]+ instead of [\d.]+; "headgate restart worker-1 --reset"/,
    );
    expect(doctor.output()).toMatch(new RegExp(`--gpu-memory-utilization ${after.degradation[0]!.to}`));

    // An operator who has removed the cause has what was relaxed taken back.
    await using reset = run(process.execPath, [CLI, 'restart', victim.id, '--reset'], { cwd: folder });
    expect(await reset.exited).toBe(0);
    await until(
      async () => (await workers())[0]!.degradation.length === 0 && (await workers())[0]!.state === 'ready',
      'it is as before',
      30_000,
    );
    process.kill(headgate.child.pid!, 'SIGINT');
    expect(await headgate.exited).toBe(0);
  },
);
