import { describe, expect, test } from 'vitest';
import { rawRequest } from '../../../support/raw-http.ts';
import { launchSim, startSim } from '../../../support/sim.ts';
import { startInside } from '../../../support/sim-inside.ts';

const MIB = 2 ** 20;

describe('a start that takes long', () => {
  test('shows bars that move, drawn over each other on stderr', async () => {
    const start = await startInside({ env: { SIM_START_MS: '2500' } });
    const bars = start.stderr().split('\r').slice(1);
    const shards = bars.filter((bar) =>
      /Loading safetensors checkpoint shards: +\d+% Completed \| \d\/\d \[\d\d:\d\d<.*(?:it\/s|s\/it)\]/.test(bar),
    );
    const graphs = bars.filter((bar) => /Capturing CUDA graphs \(decode, FULL\): +\d+%\|[█ ]{10}\| \d+\/51 \[/.test(bar));
    expect(shards.length).toBeGreaterThanOrEqual(3);
    expect(graphs.length).toBeGreaterThanOrEqual(4);
    expect(shards[0]).toContain('0% Completed | 0/');
    expect(shards.at(-1)).toContain('100% Completed |');
    expect(start.stdout()).not.toContain('\r');
  });

  test('has points to stand still at between its lines, each at its place', async () => {
    const reached = new Map<string, string>();
    const start = await startInside({}, (phase, { output }) => {
      if (!reached.has(phase)) reached.set(phase, output());
    });
    expect(start.exitCode).toBeNull();
    const points = [
      ['resolve', 'non-default args', 'Resolved architecture'],
      ['weights', 'Starting to load model', 'Model loading took'],
      ['compile', 'Dynamo bytecode transform time', 'torch.compile took'],
      ['profile', 'torch.compile took', 'Available KV cache memory'],
      ['kv', 'GPU KV cache size', 'Capturing CUDA graphs'],
      ['graphs', 'Capturing CUDA graphs', 'Graph capturing finished'],
      ['warm-up', 'Graph capturing finished', 'init engine'],
    ] as const;
    expect([...reached.keys()]).toEqual(points.map(([phase]) => phase));
    for (const [phase, last, never] of points) {
      expect(reached.get(phase)).toContain(last);
      expect(reached.get(phase)).not.toContain(never);
      expect(start.output()).toContain(never);
    }
  });

  test('can stand still at one of them, until it is ended', async () => {
    const points = [
      ['resolve', 'non-default args', 'Resolved architecture'],
      ['warm-up', 'Graph capturing finished', 'init engine'],
    ] as const;
    const stalled = await Promise.all(points.map(([phase]) => launchSim({ env: { SIM_STALL_START: phase } })));
    try {
      for (const [at, [, last]] of points.entries()) await expect.poll(() => stalled[at]!.output()).toContain(last);
      // Another that began later is up before anything more is heard of them.
      await using other = await startSim();
      expect(other.output()).toContain('Application startup complete.');
      for (const [at, [, , never]] of points.entries()) {
        const sim = stalled[at]!;
        process.kill(sim.pid, 'SIGTERM');
        expect(await sim.exited).toEqual({ code: 130, signal: null });
        expect(sim.output()).not.toContain(never);
      }
    } finally {
      await Promise.all(stalled.map((sim) => sim.stop()));
    }
  });

  test('at a point that there is not is refused', async () => {
    await using sim = await launchSim({ env: { SIM_STALL_START: 'lunch' } });
    expect((await sim.exited).code).toBe(1);
    expect(sim.output()).toContain("SIM_STALL_START must be one of resolve, weights, compile, profile, kv, graphs, warm-up, got 'lunch'");
  });
});

describe('a log that goes on and on', () => {
  test('comes once the server is ready, on both streams, with bars in it, and does not keep the server from answering', async () => {
    await using sim = await startSim({ env: { SIM_LOG_MIB: '6' } });
    expect((await rawRequest({ port: sim.port, path: '/health' })).status).toBe(200);
    await expect.poll(() => sim.stdout()).toContain('6 MiB of log have been printed');
    expect(sim.stdout().length).toBeGreaterThan(4 * MIB);
    // The other pipe may still hold some of it.
    await expect.poll(() => sim.stdout().length + sim.stderr().length).toBeGreaterThan(6 * MIB);
    expect(sim.stderr().split('\r').length).toBeGreaterThan(10_000);
    expect(sim.stdout().indexOf('line 0 of a log')).toBeGreaterThan(0);
    process.kill(sim.pid, 'SIGTERM');
    expect((await sim.exited).code).toBe(0);
  });

  test('can be spread over a while', async () => {
    await using sim = await startSim({ env: { SIM_LOG_MIB: '1', SIM_LOG_SECONDS: '3' } });
    const begin = performance.now();
    await expect.poll(() => sim.stdout()).toContain('1 MiB of log have been printed');
    expect(performance.now() - begin).toBeGreaterThan(300);
  });
});
