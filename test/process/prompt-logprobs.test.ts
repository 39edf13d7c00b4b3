import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const LONG = Array.from({ length: 1500 }, () => 'word').join(' ');

interface WorkerStatus {
  readonly id: string;
  readonly state: string;
  readonly url: string;
  readonly restarts: number;
  readonly degradation: readonly { readonly setting: string; readonly from: string; readonly to: string; readonly reason: string }[];
}

/** Two simulated workers behind one gateway, in a folder that outlives them. */
async function service(folder: string, port: number) {
  const headgate = run(process.execPath, [CLI], {
    cwd: folder,
    env: { SIM_FAULTS: '1', SIM_START_MS: '100', SIM_GPU: 'rtx-4080,rtx-4080', SIM_SPEED: '0.05' },
  });
  await headgate.prints(/Headgate is ready on/);
  const url = `http://127.0.0.1:${port}`;
  const workers = async () =>
    ((await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as { workers: WorkerStatus[] }).workers;
  await until(async () => (await workers()).every(({ state }) => state === 'ready'), 'both workers are ready', 30_000);
  return {
    headgate,
    workers,
    async ask(path: string, body: object) {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ max_tokens: 4, ...body }),
      });
      const { status, headers } = response;
      return { status, headers, worker: headers.get('x-headgate-worker'), body: JSON.parse(await response.text()) as unknown };
    },
    async readyAgain(index: number, restarts: number): Promise<void> {
      const back = async () => {
        const worker = (await workers())[index]!;
        return worker.state === 'ready' && worker.restarts === restarts;
      };
      await until(back, `worker ${index} is ready after ${restarts} restarts`, 30_000);
    },
    async stop(): Promise<void> {
      process.kill(headgate.child.pid!, 'SIGINT');
      expect(await headgate.exited).toBe(0);
    },
  };
}

test(
  'a worker that has run out of memory twice gets no more requests for prompt log-probabilities; when all have, they are refused',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-logprobs-'));
    const [port, first] = [await freePort(), await freePort(21)];
    const settings = {
      server: { port },
      supervisor: { engine: 'sim', replicas: 2, port_range: [first, first + 20] },
      load_balancer: { policy: 'round_robin', slow_start_ms: 0 },
      log: { level: 'warn' },
    };
    writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
    const { headgate, workers, ask, readyAgain, stop } = await service(folder, port);
    await using _ = headgate;
    const completion = (prompt: string, more: object) => ask('/v1/completions', { prompt, ...more });
    const refusing = { setting: 'prompt_logprobs', from: 'allowed', to: 'refused' };

    for (const restarts of [1, 2]) {
      const [victim] = await workers();
      await fetch(`${victim!.url}/sim/fault`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"fault":"oom-runtime"}',
      });
      await readyAgain(0, restarts);
    }
    const [relaxed, other] = await workers();
    expect(relaxed!.degradation).toMatchObject([{ setting: 'gpu_memory_utilization' }, refusing]);
    expect(other!.degradation).toEqual([]);
    for (let i = 0; i < 4; i++) {
      expect(await completion(`short ${i}`, { prompt_logprobs: 0 })).toMatchObject({ status: 200, worker: other!.id });
    }
    expect(new Set([await completion('a', {}), await completion('b', {})].map(({ worker }) => worker)).size).toBe(2);

    // A long prompt is what ends an engine, and the refusing worker is not tried after it.
    const ends = await completion(`${LONG} 1`, { prompt_logprobs: 1 });
    expect(ends).toMatchObject({ status: 503, body: { error: { code: 'model_loading' } } });
    await readyAgain(1, 1);
    // The last that would take it does so no more when it comes back: whether that is known by now is a matter of moments.
    expect([400, 503]).toContain((await completion(`${LONG} 2`, { prompt_logprobs: 1 })).status);
    await readyAgain(1, 2);
    expect((await workers())[1]!.degradation).toMatchObject([{ setting: 'gpu_memory_utilization' }, refusing]);
    expect((await workers())[0]!.restarts).toBe(2);

    const asked = [
      ['/v1/completions', { prompt: 'short', prompt_logprobs: 0 }, 'prompt_logprobs'],
      ['/v1/completions', { prompt: 'short', echo: true, logprobs: 1 }, 'logprobs'],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: LONG }], prompt_logprobs: 1 }, 'prompt_logprobs'],
    ] as const;
    for (const [path, body, param] of asked) {
      const refused = await ask(path, body);
      expect(refused).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error', code: 'invalid_value', param } } });
      expect(refused.headers.get('x-should-retry')).toBe('false');
      expect(refused.headers.get('x-headgate-reason')).toBe('client_error');
    }
    expect((await completion(LONG, { logprobs: 1 })).status).toBe(200);
    await stop();

    const later = await service(folder, port);
    await using __ = later.headgate;
    expect((await later.workers()).map(({ degradation }) => degradation)).toMatchObject([
      [{}, refusing],
      [{}, refusing],
    ]);
    expect((await later.ask('/v1/completions', { prompt: 'short', prompt_logprobs: 0 })).status).toBe(400);
    expect((await later.ask('/v1/completions', { prompt: LONG })).status).toBe(200);
    await later.stop();
  },
);
