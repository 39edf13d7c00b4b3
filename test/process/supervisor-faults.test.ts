import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { WorkerView } from '../../gateway/core/worker.ts';
import type { SupervisionPolicy } from '../../supervisor/system/policy.ts';
import type { RunningSupervisor } from '../supervisor/support/running-supervisor.ts';
import { superviseHere } from '../supervisor/support/running-supervisor.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';

type Env = Readonly<Record<string, string>>;

async function superviseSim(env: Env, settings: SettingsInput = {}, folder = scratchFolder(), policy: Partial<SupervisionPolicy> = {}) {
  const port = await freePort(21);
  const supervisor = {
    engine: 'sim',
    port_range: [port, port + 20] as [number, number],
    ...settings.supervisor,
  } as const;
  return superviseHere({ ...settings, supervisor }, { SIM_SPEED: '0.01', SIM_FAULTS: '1', ...env }, folder, policy);
}

/** A model of one's own, of which nothing is known beforehand: whether it fits shows when it is started. */
function own(source: string, engine: Record<string, string | number | boolean>, profile: string): SettingsInput {
  return { supervisor: { profile }, models: [{ id: 'mine', source, engine }] };
}

function post(url: string, body: unknown, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal });
}

function ask(view: WorkerView, tokens: number, signal: AbortSignal | null = null): Promise<Response> {
  return post(`${view.url}/v1/completions`, { model: view.models[0]!.id, prompt: 'Hello', max_tokens: tokens, ignore_eos: true }, signal);
}

const isReady = ({ state }: WorkerView) => state === 'ready';
const isFailed = ({ state }: WorkerView) => state === 'failed';

function starts({ log }: RunningSupervisor): number {
  return log.filter(({ event, state }) => event === 'worker.state' && state === 'starting').length;
}

const TINY = 'Qwen/Qwen2.5-1.5B-Instruct-AWQ';
const LLAMA = 'meta-llama/Llama-3.1-8B-Instruct-AWQ';

describe('a start that cannot succeed ends in failed, in plain words, in the fewest starts', { timeout: 180_000 }, () => {
  interface Case {
    readonly env: Env;
    readonly settings?: SettingsInput;
    readonly class: string;
    readonly phase: string;
    readonly restarts: number;
    readonly says: RegExp;
    readonly advises: RegExp;
  }
  const cases: Readonly<Record<string, Case>> = {
    'model not found': {
      env: { SIM_FAULT: 'config-error' },
      ...{ class: 'model-fetch', phase: 'launch', restarts: 0, says: /was not found/, advises: /models\[\]\.source/ },
    },
    'gated model': {
      env: { SIM_FAULT: 'config-error', SIM_START_ERROR: 'OSError: Cannot access gated repo for url https://huggingface.co/x/y.' },
      ...{ class: 'model-fetch', phase: 'launch', restarts: 0, says: /gated/, advises: /HF_TOKEN/ },
    },
    'wrong dtype': {
      env: { SIM_GPU: 't4' },
      settings: own(LLAMA, { dtype: 'bfloat16', max_model_len: 4096 }, 't4'),
      ...{ class: 'config', phase: 'launch', restarts: 0, says: /Tesla T4 .*no bfloat16/, advises: /dtype: half/ },
    },
    'unknown flag': {
      env: {},
      settings: own(TINY, { max_model_len: 4096, no_such_flag: 1 }, 'none'),
      ...{ class: 'config', phase: 'launch', restarts: 0, says: /--no-such-flag/, advises: /correct or remove/ },
    },
    'context longer than the model was made for': {
      env: {},
      settings: own(TINY, { max_model_len: 1_000_000 }, 'none'),
      ...{ class: 'config', phase: 'launch', restarts: 0, says: /1000000 tokens/, advises: /Lower max_model_len/ },
    },
    'every port taken behind our back': {
      env: { SIM_FAULT: 'config-error', SIM_START_ERROR: 'OSError: [Errno 98] Address already in use' },
      ...{ class: 'port', phase: 'launch', restarts: 2, says: /Gave up after 3 ports/, advises: /port_range/ },
    },
    'main memory runs out while loading': {
      env: { SIM_FAULT: 'host-oom' },
      // Its log says nothing of it, and a start as short as these is over before its processes are known.
      ...{ class: 'engine-start', phase: 'load', restarts: 2, says: /failed while starting/, advises: /log file/ },
    },
    'weights too large, with nothing smaller known': {
      env: { SIM_GPU: 'rtx-4080' },
      settings: own('somebody/gemma-3-12b-it', { max_model_len: 4096 }, 'rtx-4080'),
      ...{ class: 'oom-weights', phase: 'load', restarts: 0, says: /weights do not fit/, advises: /quantized/ },
    },
    'no room for a KV cache, whatever is relaxed': {
      env: { SIM_FAULT: 'oom-kv' },
      settings: own(TINY, { max_model_len: 2048, max_num_seqs: 4, max_num_batched_tokens: 512, enforce_eager: true }, 'none'),
      ...{ class: 'oom-kv-zero', phase: 'profile', restarts: 1, says: /nothing left to relax/, advises: /4-bit/ },
    },
    'no room for graphs, whatever is relaxed': {
      env: { SIM_FAULT: 'oom-graph' },
      settings: own(TINY, { max_model_len: 2048, max_cudagraph_capture_size: 8, optimization_level: '1' }, 'none'),
      ...{ class: 'oom-graph', phase: 'graphs', restarts: 2, says: /nothing left to relax/, advises: /smaller model/ },
    },
    'a stall at the same place again and again': {
      env: { SIM_STALL_START: 'compile' },
      ...{ class: 'start-timeout', phase: 'profile', restarts: 1, says: /stopped telling anything new/, advises: /start_timeout_ms/ },
    },
  };

  test.each(Object.entries(cases))('%s', async (name, one) => {
    const impatient = name.includes('stall') ? { startTimeoutMs: 8000, stallMs: 8000, sameStartFailures: 2 } : { portAttempts: 3 };
    const supervisor = await superviseSim(one.env, one.settings, scratchFolder(), impatient);
    const view = await supervisor.worker(isFailed);
    expect(view.lastFailure).toMatchObject({ class: one.class, phase: one.phase });
    expect(view.lastFailure!.message).toMatch(one.says);
    expect(view.lastFailure!.advice).toMatch(one.advises);
    expect(view.restarts).toBe(one.restarts);
    expect(supervisor.processes()).toEqual([]);
    // Everything but the worker goes on.
    expect((await supervisor.state()).workers).toHaveLength(1);
  });
});

describe('want of memory is cured by the right knob, in the fewest starts', { timeout: 180_000 }, () => {
  interface Case {
    readonly env: Env;
    readonly settings: SettingsInput;
    /** What its starts failed of, in order. */
    readonly classes: readonly string[];
    /** What is in force in the end, `setting from to`. */
    readonly relaxed: readonly string[];
  }
  const cases: Readonly<Record<string, Case>> = {
    'a context that is too long': {
      env: { SIM_GPU: 't4' },
      settings: own(LLAMA, { max_model_len: 131_072 }, 't4'),
      ...{ classes: ['kv-too-small'], relaxed: ['max_model_len 131072 '] },
    },
    'a batch that is too large': {
      env: { SIM_GPU: 'rtx-4080' },
      settings: own(
        'mistralai/Mistral-7B-Instruct-v0.3',
        { max_model_len: 4096, max_num_batched_tokens: 16_384, max_num_seqs: 4, gpu_memory_utilization: 0.95 },
        'rtx-4080',
      ),
      // The trial run fits then; what it leaves for the KV cache does not.
      ...{
        classes: ['oom-profile', 'oom-kv-zero', 'kv-too-small'],
        relaxed: ['max_num_batched_tokens 16384 4096', 'max_model_len 4096 '],
      },
    },
    'too many sequences for the sampler': {
      env: { SIM_GPU: 'gtx-1650' },
      settings: own(TINY, { max_model_len: 2048, max_num_seqs: 1024, gpu_memory_utilization: 0.85 }, 'none'),
      ...{ classes: ['oom-sampler', 'oom-kv-zero', 'oom-kv-zero'], relaxed: ['max_num_seqs 1024 256', 'max_num_batched_tokens 2048 1024'] },
    },
    'nothing left for the KV cache': {
      env: { SIM_GPU: 'gtx-1650' },
      settings: own(TINY, { max_model_len: 2048, max_num_seqs: 192, max_num_batched_tokens: 12_288, gpu_memory_utilization: 0.85 }, 'none'),
      ...{ classes: ['oom-kv-zero'], relaxed: ['max_num_batched_tokens 12288 6144'] },
    },
    'graphs larger than estimated': {
      env: { SIM_GPU: 'rtx-4080', SIM_GRAPH_FACTOR: '3' },
      settings: own(LLAMA, { max_model_len: 8192, max_num_seqs: 256 }, 'rtx-4080'),
      ...{ classes: ['oom-graph'], relaxed: ['max_cudagraph_capture_size 512 32'] },
    },
    'weights for a larger card': {
      env: { SIM_GPU: 'rtx-4080' },
      settings: { supervisor: { profile: 'l40s' }, models: [{ id: 'qwen2.5-14b-instruct', engine: { max_model_len: 4096 } }] },
      ...{ classes: ['oom-weights'], relaxed: ['weights Qwen/Qwen2.5-14B-Instruct Qwen/Qwen2.5-14B-Instruct-AWQ'] },
    },
  };

  test.each(Object.entries(cases))('%s', async (_, one) => {
    const supervisor = await superviseSim(one.env, one.settings);
    const view = await supervisor.worker((now) => isReady(now) || isFailed(now));
    const failed = supervisor.log.filter(({ event }) => event === 'worker.failure').map((line) => line['class']);
    expect(failed).toEqual(one.classes);
    expect(view.degradation.map(({ setting, from, to }) => `${setting} ${from} ${to}`)).toEqual(
      one.relaxed.map((start) => expect.stringContaining(start)),
    );
    expect(view).toMatchObject({ state: 'ready', restarts: one.classes.length });
    const warned = supervisor.log.filter(({ event, level }) => event === 'worker.degraded' && level === 'warn');
    expect(warned).toHaveLength(one.classes.length);
    expect(warned[0]!['msg']).toMatch(/starts with .+ instead of .+: .{20,}\.$/);
    // What it runs with is what it was relaxed to.
    const args = view.args.join(' ');
    for (const { setting, to } of view.degradation)
      expect(args).toContain(setting === 'weights' ? to : `--${setting.replaceAll('_', '-')} ${to}`);
  });

  test('memory that runs out while serving costs one step, is kept over a restart of the supervisor, and is not taken twice', async () => {
    const folder = scratchFolder();
    const env = { SIM_GPU: 'rtx-4080', SIM_RUNTIME_OOM_ABOVE_UTIL: '0.9' };
    const settings = own(LLAMA, { max_model_len: 8192, gpu_memory_utilization: 0.92 }, 'rtx-4080');
    const first = await superviseSim(env, settings, folder);
    await ask(await first.worker(isReady), 64).catch(() => null);
    const view = await first.worker((now) => isReady(now) && now.restarts > 0);
    expect(view).toMatchObject({
      restarts: 1,
      lastFailure: { class: 'oom-runtime', phase: 'serving' },
      degradation: [{ setting: 'gpu_memory_utilization', from: '0.92', to: '0.89' }],
    });
    expect((await ask(view, 64)).status).toBe(200);
    first.signal('SIGTERM');
    expect(await first.exitCode).toBe(0);

    const second = await superviseSim(env, settings, folder);
    const again = await second.worker(isReady);
    expect(again).toMatchObject({ restarts: 0, degradation: view.degradation });
    expect((await ask(again, 64)).status).toBe(200);
    second.signal('SIGTERM');
    await second.exitCode;

    // For other settings it says nothing.
    const third = await superviseSim({ ...env, SIM_RUNTIME_OOM_ABOVE_UTIL: '1' }, own(LLAMA, { max_model_len: 4096 }, 'rtx-4080'), folder);
    expect(await third.worker(isReady)).toMatchObject({ degradation: [] });
  });
});

describe('an engine that goes wrong while it serves', { timeout: 180_000 }, () => {
  test('and hangs while its health is 200 gets no new requests, and is started again when that lasts', async () => {
    const supervisor = await superviseSim({}, {}, scratchFolder(), {
      ...{ healthIntervalMs: 50, doubtMs: 200, doubtTokenMs: 300, tokenTimeoutMs: 6000, stallRouteMs: 1000, stallRestartMs: 6000 },
    });
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'hang' });
    void ask(view, 50).catch(() => null);
    const stalled = await supervisor.worker(({ state }) => state !== 'ready');
    expect(stalled).toMatchObject({ state: 'draining', pid: view.pid, lastFailure: { class: 'stalled' } });
    expect((await fetch(`${view.url}/health`)).status).toBe(200);
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(again).toMatchObject({ restarts: 1, lastFailure: { class: 'stalled', message: expect.stringContaining('1 request') } });
  });

  test('and is frozen whole leaves service, comes back when it goes on, and is started again when it does not', async () => {
    const supervisor = await superviseSim({}, {}, scratchFolder(), {
      ...{ healthIntervalMs: 50, lateMs: 50, frozenMs: 300, stallRestartMs: 8000, abandonGraceMs: 100, groupGraceMs: 100 },
    });
    const view = await supervisor.worker(isReady);
    process.kill(view.pid!, 'SIGSTOP');
    const frozen = await supervisor.worker(({ state }) => state !== 'ready');
    expect(frozen).toMatchObject({ state: 'draining', pid: view.pid, lastFailure: { class: 'stalled' } });
    process.kill(view.pid!, 'SIGCONT');
    expect(await supervisor.worker(isReady)).toMatchObject({ pid: view.pid, restarts: 0 });
    process.kill(view.pid!, 'SIGSTOP');
    expect(await supervisor.worker((now) => isReady(now) && now.restarts > 0)).toMatchObject({
      ...{ restarts: 1, lastFailure: { class: 'stalled', message: expect.stringContaining('its process did nothing') } },
    });
  });

  test('and whose gauges stand still since its clients have left serves on', async () => {
    const patience = { healthIntervalMs: 50, doubtMs: 500, stallRouteMs: 1500, stallRestartMs: 2000 };
    const supervisor = await superviseSim({ SIM_SPEED: '0.1' }, {}, scratchFolder(), patience);
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'stale-gauges' });
    const running = async () =>
      Number(/^vllm:num_requests_running\{.*\} (\d)/m.exec(await (await fetch(`${view.url}/metrics`)).text())?.[1]);
    const leaving = new AbortController();
    void ask(view, 5_000, leaving.signal).catch(() => null);
    await until(async () => (await running()) === 1, 'it runs');
    leaving.abort();
    await until(async () => (await running()) === 0, 'it has been asked for a token');
    await sleep(2500);
    expect(await supervisor.worker(() => true)).toMatchObject({ state: 'ready', pid: view.pid, lastFailure: null });
  });

  test('and recovers from a hang serves on as the same process', async () => {
    const supervisor = await superviseSim({}, {}, scratchFolder(), {
      ...{ healthIntervalMs: 50, doubtMs: 200, doubtTokenMs: 300, stallRouteMs: 500, stallRestartMs: 60_000 },
    });
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'hang' });
    const slow = ask(view, 50);
    await supervisor.worker(({ state }) => state === 'draining');
    await post(`${view.url}/sim/fault`, { fault: 'none' });
    expect((await slow).status).toBe(200);
    expect(await supervisor.worker(isReady)).toMatchObject({ pid: view.pid, restarts: 0 });
  });

  test('is said to be ended, and not taken over, by the next supervisor where its record cannot be written', async () => {
    const folder = scratchFolder();
    mkdirSync(join(folder, '.headgate'));
    writeFileSync(join(folder, '.headgate/workers'), '');
    const supervisor = await superviseSim({}, {}, folder);
    await supervisor.worker(isReady);
    const told = supervisor.log.filter(({ event }) => event === 'worker.record');
    expect(told).toEqual([expect.objectContaining({ level: 'warn', msg: expect.stringContaining('could not be written down: E') })]);
  });

  test('and dies with exit code 0 is started again', async () => {
    const supervisor = await superviseSim({});
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'engine-death' });
    void ask(view, 5).catch(() => null);
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(again).toMatchObject({ restarts: 1, lastFailure: { phase: 'serving' } });
    // Who was killed is known where there was time to get to know its processes.
    expect(['killed', 'engine-death']).toContain(again.lastFailure!.class);
  });

  test('and names the cause before it dies is explained by that', async () => {
    const supervisor = await superviseSim({ SIM_DEATH_ERROR: 'RuntimeError: CUDA error: an illegal memory access was encountered' });
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'engine-death' });
    void ask(view, 5).catch(() => null);
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(again.lastFailure).toMatchObject({ class: 'crash', advice: expect.stringContaining('Xid') });
  });

  test('and refuses connections is dead, and is started again soon', async () => {
    const supervisor = await superviseSim({});
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'refuse' });
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(again.lastFailure).toMatchObject({ class: 'unresponsive', message: expect.stringContaining('ECONNREFUSED') });
  });

  test('and does not hear SIGTERM is ended all the same', async () => {
    const supervisor = await superviseSim({ SIM_FAULT: 'ignore-sigterm' });
    await supervisor.worker(isReady);
    supervisor.signal('SIGTERM');
    expect(await supervisor.exitCode).toBe(0);
    expect(supervisor.processes()).toEqual([]);
    expect(supervisor.log).toContainEqual(expect.objectContaining({ event: 'worker.overdue', worker: 'worker-1' }));
  });

  test('and is killed with its host’s memory is explained so', async () => {
    const supervisor = await superviseSim({});
    const view = await supervisor.worker(isReady);
    await post(`${view.url}/sim/fault`, { fault: 'host-oom' }).catch(() => null);
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(['oom-host', 'killed']).toContain(again.lastFailure!.class);
    expect(again.degradation).toEqual([]);
  });

  test('again and again is given up, is tried once more later, and says so', async () => {
    const supervisor = await superviseSim({ SIM_FAULT: 'crash-loop' }, {}, scratchFolder(), { halfOpenMs: 4000 });
    const view = await supervisor.worker(isFailed);
    expect(view.lastFailure!.message).toMatch(/^Gave up.*once more/);
    expect(['killed', 'engine-death']).toContain(view.lastFailure!.class);
    const before = starts(supervisor);
    expect(before).toBeLessThanOrEqual(25);
    await expect.poll(() => starts(supervisor)).toBeGreaterThan(before);
    await supervisor.worker(isFailed);
  });
});

describe('a card that something else holds', { timeout: 180_000 }, () => {
  test('by an orphan of a killed engine is free before the next start', async () => {
    const vram = `${scratchFolder()}/vram.json`;
    const settings = own(LLAMA, { max_model_len: 4096 }, 'rtx-4080');
    const supervisor = await superviseSim({ SIM_GPU: 'rtx-4080', SIM_VRAM_FILE: vram }, settings);
    const view = await supervisor.worker(isReady);
    process.kill(view.pid!, 'SIGKILL');
    const again = await supervisor.worker((now) => isReady(now) && now.restarts > 0);
    expect(again).toMatchObject({ restarts: 1, degradation: [] });
  });

  test('is waited for, and the worker comes up when it is free', async () => {
    const vram = `${scratchFolder()}/vram.json`;
    const env = { SIM_GPU: 'rtx-4080', SIM_VRAM_FILE: vram };
    const settings = own(LLAMA, { max_model_len: 4096 }, 'rtx-4080');
    const holder = await superviseSim(env, settings);
    await holder.worker(isReady);
    const supervisor = await superviseSim(env, settings);
    const waiting = await supervisor.worker(({ lastFailure }) => lastFailure !== null);
    expect(waiting.lastFailure).toMatchObject({ class: 'busy-vram', message: expect.stringMatching(/[\d.]+ GiB free/) });
    expect(waiting.state).not.toBe('failed');
    holder.signal('SIGTERM');
    await holder.exitCode;
    expect(await supervisor.worker(isReady)).toMatchObject({ degradation: [] });
  });
});
