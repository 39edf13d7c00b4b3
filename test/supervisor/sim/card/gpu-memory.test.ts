import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAlive } from '../../../../supervisor/sim/card/process-identity.ts';
import { usedMib, VramFile } from '../../../../supervisor/sim/card/vram-file.ts';
import type { VramGpu } from '../../../../supervisor/sim/card/vram-file.ts';
import { launchSim, startSim, writeVramFile } from '../../../support/sim.ts';
import type { RunningSim } from '../../../support/sim.ts';
import { startInside } from '../../../support/sim-inside.ts';

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct-AWQ';
const ARGS = ['--max-model-len', '8192', '--max-num-seqs', '32'];

let folder = '';
let path = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-'));
  path = join(folder, 'vram.json');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function gpus(): Promise<readonly VramGpu[]> {
  return (await new VramFile(path, []).read()).gpus;
}

function enginePid(sim: RunningSim): number {
  return Number(/\(EngineCore pid=(\d+)\)/.exec(sim.output())![1]);
}

describe('GPU memory that processes share', () => {
  test('is held by the engine core while the server is up, and given back when it ends', async () => {
    writeVramFile(path, ['rtx-4080']);
    await using sim = await startSim({ model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path } });
    const [gpu] = await gpus();
    expect(gpu!.holders).toMatchObject([{ pid: enginePid(sim), title: 'VLLM::EngineCore' }]);
    // The share that was asked for, the CUDA context, and what the graphs took more than was thought.
    expect(usedMib(gpu!) / 1024).toBeCloseTo(15.57 * 0.92 + 0.35 + (0.1 + 0.01 * 11) * 0.15, 1);
    process.kill(sim.pid, 'SIGTERM');
    expect((await sim.exited).code).toBe(0);
    expect(usedMib((await gpus())[0]!)).toBe(0);
  });

  test('grows phase by phase', async () => {
    writeVramFile(path, ['rtx-4080']);
    const held = new Map<string, number>();
    const start = await startInside({ model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path } }, async (phase) => {
      if (!held.has(phase)) held.set(phase, usedMib((await gpus())[0]!) / 1024);
    });
    expect(start.exitCode).toBeNull();
    expect(held.get('weights')).toBeCloseTo(0.35, 1);
    expect(held.get('compile')).toBeCloseTo(0.35 + 5.33, 1);
    // The estimate for the graphs is kept free for them.
    expect(held.get('graphs')).toBeCloseTo(0.35 + 15.57 * 0.92 - (0.1 + 0.01 * 11), 1);
  });

  test('that an orphan keeps makes the next start fail, until the orphan is gone', async () => {
    writeVramFile(path, ['rtx-4080']);
    const options = { model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path } };
    await using first = await startSim(options);
    const orphan = enginePid(first);
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    await using second = await launchSim(options);
    expect((await second.exited).code).toBe(1);
    expect(second.output()).toMatch(
      /ValueError: Free memory on device cuda:0 \(0\.\d+\/15\.57 GiB\) on startup is less than desired GPU memory utilization \(0\.92, 14\.32 GiB\)/,
    );
    expect(second.output()).not.toContain('Starting to load model');
    expect(isAlive(orphan, null)).toBe(true);
    process.kill(orphan, 'SIGKILL');
    await expect.poll(async () => usedMib((await gpus())[0]!)).toBe(0);
    await using third = await startSim(options);
    expect(third.output()).toContain('Application startup complete.');
  });

  test('may come back later than its holder goes', async () => {
    writeVramFile(path, ['rtx-4080']);
    await using sim = await startSim({ model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path, SIM_VRAM_RELEASE_MS: '60000' } });
    process.kill(sim.pid, 'SIGTERM');
    await sim.exited;
    const [entry] = (await gpus())[0]!.holders;
    // Noted by the server itself, not by who looks afterwards.
    expect(entry).toMatchObject({ release_ms: 60_000, ended_at_ms: expect.any(Number) });
    expect(usedMib((await gpus())[0]!)).toBeGreaterThan(0);
    // As if a minute had passed.
    await new VramFile(path, []).update(({ gpus: [card] }) => {
      card!.holders = card!.holders.map((holder) => ({ ...holder, ended_at_ms: holder.ended_at_ms! - 60_001 }));
    });
    expect(usedMib((await gpus())[0]!)).toBe(0);
  });

  test('is that of the card which CUDA_VISIBLE_DEVICES names', async () => {
    writeVramFile(path, ['t4', 'rtx-4080']);
    const { uuid } = (await gpus())[1]!;
    const start = await startInside({ model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path, CUDA_VISIBLE_DEVICES: uuid } });
    expect(start.output()).toContain("simulated_gpu='NVIDIA GeForce RTX 4080'");
    expect((await gpus()).map((gpu) => gpu.holders.length)).toEqual([0, 1]);
    const other = await startInside({ model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path, CUDA_VISIBLE_DEVICES: '0' } });
    expect(other.output()).toContain("simulated_gpu='Tesla T4'");
    expect((await gpus()).map((gpu) => gpu.holders.length)).toEqual([1, 1]);
  });

  test('of several cards is held on each of them by a model that is spread', async () => {
    writeVramFile(path, ['t4', 't4']);
    const model = 'mistralai/Mistral-7B-Instruct-v0.3';
    const spread = [...ARGS, '--tensor-parallel-size', '2'];
    expect((await startInside({ model, args: ARGS, env: { SIM_VRAM_FILE: path } })).exitCode).toBe(1);
    await using sim = await startSim({ model, args: spread, env: { SIM_VRAM_FILE: path } });
    expect(sim.output()).toContain('Model loading took 6.75 GiB memory');
    const held = (await gpus()).map((gpu) => gpu.holders.find(({ pid }) => pid === enginePid(sim))?.mib);
    expect(held[0]).toBeGreaterThan(10_000);
    expect(held[1]).toBe(held[0]);
    const lonely = await startInside({ model, args: spread, env: { SIM_VRAM_FILE: path, CUDA_VISIBLE_DEVICES: '1' } });
    expect(lonely.exitCode).toBe(1);
    expect(lonely.output()).toContain('World size (2) is larger than the number of available GPUs (1) in this node.');
  });

  test('is nowhere when no card is visible', async () => {
    writeVramFile(path, ['t4']);
    await using sim = await launchSim({ env: { SIM_VRAM_FILE: path, CUDA_VISIBLE_DEVICES: '' } });
    expect((await sim.exited).code).toBe(1);
    expect(sim.output()).toContain('RuntimeError: No CUDA GPUs are available');
  });

  test('that somebody gives back while it is measured spoils the measurement', async () => {
    writeVramFile(path, ['rtx-4080']);
    const file = new VramFile(path, []);
    const desktop = { pid: null, starttime: null, title: 'desktop', mib: 9000, release_ms: 0, ended_at_ms: null };
    await file.update((vram) => {
      vram.gpus[0]!.holders.push(desktop);
    });
    const start = await startInside(
      {
        model: 'Qwen/Qwen2.5-1.5B-Instruct-AWQ',
        args: ['--gpu-memory-utilization', '0.3', '--max-model-len', '2048'],
        env: { SIM_VRAM_FILE: path },
      },
      async (phase) => {
        if (phase !== 'weights') return;
        await file.update((vram) => {
          vram.gpus[0]!.holders = vram.gpus[0]!.holders.filter((holder) => holder.pid !== null);
        });
      },
    );
    expect(start.exitCode).toBe(1);
    expect(start.output()).toMatch(
      /AssertionError: Error in memory profiling\. Initial free memory [\d.]+ GiB, current free memory [\d.]+ GiB\./,
    );
  });

  test('that two ask for at once goes to one of them', async () => {
    writeVramFile(path, ['rtx-4080']);
    const options = { model: MODEL, args: ARGS, env: { SIM_VRAM_FILE: path } };
    await using one = await launchSim(options);
    await using other = await launchSim(options);
    const lost = await Promise.race([one.exited.then(() => one), other.exited.then(() => other)]);
    const won = lost === one ? other : one;
    expect(lost.output()).toMatch(
      /CUDA out of memory|Free memory on device|No available memory|To serve at least one request|Error in memory profiling/,
    );
    // The winner may lose as well: each made the other's measurement smaller.
    await expect.poll(() => won.output(), { timeout: 60_000 }).toMatch(/Application startup complete|EngineCore failed to start/);
    const total = (await gpus())[0]!;
    expect(usedMib(total)).toBeLessThanOrEqual(15.57 * 1024 + 0.02);
  });
});
