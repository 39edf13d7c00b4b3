import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { usedMib, VramFile } from '../../../../supervisor/sim/card/vram-file.ts';
import { rawJson, rawRequest } from '../../../support/raw-http.ts';
import { startSim, writeVramFile } from '../../../support/sim.ts';
import type { ServedSim } from '../../../support/sim.ts';
import { serveInside } from '../../../support/sim-inside.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct-AWQ';
const ARGS = ['--max-model-len', '8192', '--max-num-seqs', '16', '--enable-sleep-mode'];
const COMPLETION = { prompt: 'hello', max_tokens: 6, ignore_eos: true };

let folder = '';
let path = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sleep-'));
  path = join(folder, 'vram.json');
  writeVramFile(path, ['rtx-4080']);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function sleeper(
  args: readonly string[] = ARGS,
  env: Readonly<Record<string, string>> = {},
  start: typeof serveInside = serveInside,
): Promise<ServedSim> {
  return start({ model: MODEL, args, env: { SIM_VRAM_FILE: path, VLLM_SERVER_DEV_MODE: '1', ...env } });
}

function usedGib(): number {
  return usedMib(new VramFile(path, []).peek().gpus[0]!) / 1024;
}

async function post(sim: ServedSim, route: string, body: object = {}): Promise<number> {
  return (await rawJson(sim.port, route, body)).status;
}

async function isSleeping(sim: ServedSim): Promise<unknown> {
  return JSON.parse((await rawRequest({ port: sim.port, path: '/is_sleeping' })).body);
}

async function sleepState(sim: ServedSim): Promise<string[]> {
  const page = (await rawRequest({ port: sim.port, path: '/metrics' })).body;
  return [...page.matchAll(/^vllm:engine_sleep_state\{.*sleep_state="(\w+)".*\} 1\.0$/gm)].map((match) => match[1]!);
}

async function said(sim: ServedSim): Promise<string> {
  const answer = await rawJson(sim.port, '/v1/completions', COMPLETION);
  return (JSON.parse(answer.body) as { choices: { text: string }[] }).choices[0]!.text;
}

describe('sleep', () => {
  test('at level 1 gives weights and cache back to the card, and the way back takes them again', async () => {
    await using sim = await sleeper();
    const before = usedGib();
    const text = await said(sim);
    expect(await sleepState(sim)).toEqual(['awake']);
    expect(await post(sim, '/sleep?level=1')).toBe(200);
    // The context, the graphs and what was set aside for activations stay.
    expect(usedGib()).toBeGreaterThan(0.5);
    expect(usedGib()).toBeLessThan(1.5);
    expect(await isSleeping(sim)).toEqual({ is_sleeping: true });
    expect(await sleepState(sim)).toEqual(['weights_offloaded']);
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(200);
    await expect.poll(() => sim.output()).toMatch(/Sleep mode freed 13\.\d\d GiB memory, [01]\.\d\d GiB memory is still in use\./);
    await expect.poll(() => sim.output()).toMatch(/It took 0\.4\d{5} seconds to fall asleep\./);
    expect(await post(sim, '/wake_up')).toBe(200);
    expect(usedGib()).toBeCloseTo(before, 2);
    expect(await isSleeping(sim)).toEqual({ is_sleeping: false });
    expect(await sleepState(sim)).toEqual(['awake']);
    await expect.poll(() => sim.output()).toMatch(/It took 0\.5\d{5} seconds to wake up tags \{'weights', 'kv_cache'\}\./);
    expect(await said(sim)).toBe(text);
  });

  test('at level 2 forgets the weights: without reading them again the tokens mean nothing', async () => {
    await using sim = await sleeper();
    const text = await said(sim);
    expect(await post(sim, '/sleep?level=2')).toBe(200);
    expect(await sleepState(sim)).toEqual(['discard_all']);
    expect(await post(sim, '/wake_up?tags=weights')).toBe(200);
    expect(await isSleeping(sim)).toEqual({ is_sleeping: true });
    expect(await post(sim, '/wake_up?tags=kv_cache')).toBe(200);
    expect(await said(sim)).toBe('!!!!!!');
    expect(await rawJson(sim.port, '/collective_rpc', { method: 'reload_weights' })).toMatchObject({
      status: 200,
      body: '{"results":[null]}',
    });
    expect(await said(sim)).toBe(text);
  });

  test('keeps new requests waiting until it is over', async () => {
    await using sim = await sleeper();
    await post(sim, '/sleep');
    const waiting = said(sim);
    const winner = await Promise.race([waiting, isSleeping(sim)]);
    expect(winner).toEqual({ is_sleeping: true });
    await post(sim, '/wake_up');
    expect((await waiting).length).toBeGreaterThan(0);
  });

  test('ends what is in flight, unless it is told to wait for it', async () => {
    await using sim = await sleeper(ARGS, { SIM_SPEED: '0.1' });
    const underWay = async (maxTokens: number): Promise<{ readonly ended: Promise<string> }> => {
      const ended = rawJson(sim.port, '/v1/completions', { ...COMPLETION, max_tokens: maxTokens }).then(({ body }) => body);
      await expect
        .poll(async () => (await rawRequest({ port: sim.port, path: '/metrics' })).body)
        .toMatch(/^vllm:num_requests_running\{.*\} 1\.0$/m);
      return { ended };
    };
    const aborted = await underWay(8000);
    await post(sim, '/sleep');
    expect(await aborted.ended).toContain('"finish_reason":"abort"');
    await post(sim, '/wake_up');
    const whole = await underWay(200);
    await post(sim, '/sleep?mode=wait');
    expect(await whole.ended).toContain('"finish_reason":"length"');
  });

  test('frees nothing without --enable-sleep-mode, and is not to be had outside development', async () => {
    await using sim = await sleeper(ARGS.slice(0, -1));
    const before = usedGib();
    expect(await post(sim, '/sleep')).toBe(200);
    expect(usedGib()).toBeCloseTo(before, 2);
    await expect.poll(() => sim.output()).toContain('Sleep mode freed 0.00 GiB memory');
    await using shut = await serveInside({ args: ['--enable-sleep-mode'] });
    for (const route of ['/sleep', '/wake_up', '/collective_rpc']) expect(await post(shut, route)).toBe(404);
  });

  test('lets a second server start on the same card; to wake up in its presence fails for want of memory, and works when it has gone', async () => {
    const smaller = [...ARGS, '--gpu-memory-utilization', '0.85'];
    // Memory is held in the name of a process.
    await using first = await sleeper(smaller, {}, startSim);
    await post(first, '/sleep');
    await using second = await sleeper(smaller);
    expect(await said(second)).not.toBe('');
    expect(await post(first, '/wake_up')).toBe(500);
    await expect.poll(() => first.stderr()).toMatch(/\(EngineCore pid=\d+\) CUDA Error: out of memory at .*cumem_allocator\.cpp:\d+/);
    expect(await isSleeping(first)).toEqual({ is_sleeping: true });
    expect((await rawRequest({ port: first.port, path: '/health' })).status).toBe(200);
    await post(second, '/sleep?level=2');
    expect(await post(first, '/wake_up')).toBe(200);
    expect(await said(first)).not.toBe('');
  });
});
