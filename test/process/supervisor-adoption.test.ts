import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadSettings } from '../../gateway/config/load.ts';
import { systemClock } from '../../gateway/core/clock.ts';
import { startGateway } from '../../gateway/main.ts';
import { createLog } from '../../gateway/core/log/log.ts';
import { watching } from '../supervisor/support/running-supervisor.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { freePort } from '../support/ports.ts';

const PROGRAM = fileURLToPath(new URL('../supervisor/support/supervise.ts', import.meta.url));
const STREAMS = 20;
const TOKENS = 800;

/** A supervisor and a gateway that know each other by a folder only, as under `headgate serve`. */
async function service(env: Readonly<Record<string, string>>) {
  const folder = scratchFolder();
  const port = await freePort(21);
  const input = { server: { port: 0 }, supervisor: { engine: 'sim', port_range: [port, port + 20] } };
  const readFile = (path: string) => (path.endsWith('headgate.yaml') ? Buffer.from(JSON.stringify(input)) : null);
  const load = () => loadSettings({ env: {}, cwd: folder, readFile });
  const outside = watching(load().settings, folder);
  let supervisor = start();
  function start() {
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(input)], {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, SIM_SPEED: '0.1', SIM_FAULTS: '1', ...env },
    });
    return child;
  }
  onTestFinished(() => {
    supervisor.kill('SIGKILL');
    for (const pid of outside.processes()) process.kill(pid, 'SIGKILL');
  });
  const log = createLog({ level: 'error', format: 'json', clock: systemClock, destination: { write: () => {} } });
  const gateway = await startGateway({ loaded: load(), load, cwd: folder, log });
  onTestFinished(() => gateway.drain(false));
  await gateway.firstReady;
  return {
    folder,
    gateway,
    outside,
    async killSupervisor(): Promise<void> {
      supervisor.kill('SIGKILL');
      await once(supervisor, 'exit');
    },
    /** Resolves when the new one answers. */
    async startSupervisor(): Promise<void> {
      supervisor = start();
      const pid = () =>
        outside.state().then(
          (state) => state.pid,
          () => null,
        );
      await expect.poll(pid).toBe(supervisor.pid);
    },
  };
}

/** A streaming request: its text so far, and its end. */
function stream(url: string) {
  const state = { text: '', ended: false, done: Promise.resolve() };
  state.done = (async () => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], stream: true, max_tokens: TOKENS, ignore_eos: true }),
    });
    expect(response.status).toBe(200);
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) state.text += decoder.decode(chunk, { stream: true });
    state.ended = true;
  })();
  return state;
}

describe('a supervisor that is killed', { timeout: 90_000 }, () => {
  test('under open streams and started again breaks none of them, and keeps the worker', async () => {
    const { gateway, outside, killSupervisor, startSupervisor } = await service({ SIM_SPEED: '2' });
    const before = (await outside.state()).workers[0]!;
    const streams = Array.from({ length: STREAMS }, () => stream(gateway.url));
    await expect.poll(() => streams.every(({ text }) => text.includes('"content"'))).toBe(true);
    await killSupervisor();
    const isServed = async () => (await fetch(`${gateway.url}/readyz`)).status;
    expect(await isServed()).toBe(200);
    // With nobody to supervise it, the worker still takes new requests.
    const late = stream(gateway.url);
    await startSupervisor();
    expect(await isServed()).toBe(200);
    expect(streams.some(({ ended }) => !ended)).toBe(true);
    await Promise.all([...streams, late].map(({ done }) => done));
    for (const { text } of [...streams, late]) {
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
      expect(text).not.toContain('"error"');
      expect(text).toContain('"finish_reason":"length"');
    }
    const after = (await outside.state()).workers[0]!;
    expect(after).toMatchObject({ pid: before.pid, port: before.port, state: 'ready', restarts: 0, startedAtMs: before.startedAtMs });
    expect(after.models).toEqual(before.models);
    expect(after.args).toEqual(before.args);
    expect(await isServed()).toBe(200);
  });

  test('during a start and started again goes on with that start', async () => {
    const { outside, killSupervisor, startSupervisor } = await service({ SIM_SPEED: '0.01', SIM_START_MS: '3000' });
    const before = (await outside.state()).workers[0]!;
    expect(await outside.post('/v1/workers/worker-1/restart')).toBe(202);
    const loading = await outside.worker(({ state, pid }) => state === 'starting' && pid !== null && pid !== before.pid);
    await killSupervisor();
    await startSupervisor();
    const after = await outside.worker(({ state }) => state === 'ready');
    expect(after).toMatchObject({ pid: loading.pid, restarts: 1 });
  });

  test('finds the cause of a death that comes later in a log that was begun before its time', async () => {
    const { outside, killSupervisor, startSupervisor } = await service({
      SIM_DEATH_ERROR: 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.00 GiB.',
    });
    const before = (await outside.state()).workers[0]!;
    await killSupervisor();
    appendFileSync(before.logFile!, 'INFO written while nobody was looking\n');
    await startSupervisor();
    await fetch(`${before.url}/sim/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ fault: 'engine-death' }),
    });
    const after = await outside.worker(({ state, restarts }) => state === 'ready' && restarts === 1);
    expect(after).toMatchObject({
      lastFailure: { class: 'oom-runtime', phase: 'serving' },
      degradation: [{ setting: 'gpu_memory_utilization' }],
    });
  });
});
