import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Failure } from '../../../supervisor/failure/failure.ts';
import { awaitFreeMemory } from '../../../supervisor/engine/free-memory.ts';
import type { CardReader, GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { WorkerPort } from '../../../supervisor/worker/port.ts';
import { PortPool } from '../../../supervisor/system/ports.ts';
import { StartTurns } from '../../../supervisor/fleet/start-turns.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

describe('StartTurns', () => {
  test('lets one start at a time on each GPU, in the order of their coming', () => {
    const turns = new StartTurns();
    const begun: string[] = [];
    const take = (gpu: string, name: string) => turns.take(gpu, () => begun.push(name));
    const first = take('a', 'first');
    const second = take('a', 'second');
    const third = take('a', 'third');
    take('b', 'elsewhere');
    expect(begun).toEqual(['first', 'elsewhere']);
    second.release();
    first.release();
    expect(begun).toEqual(['first', 'elsewhere', 'third']);
    third.release();
    take('a', 'again');
    expect(begun.at(-1)).toBe('again');
  });
});

function probeWith(freeGib: () => number | null): CardReader {
  const gpu = { uuid: 'GPU-0', memoryTotalBytes: 16.44 * 2 ** 30 } as GpuReading;
  return {
    read: async () => {
      const free = freeGib();
      return free === null ? [] : [{ ...gpu, memoryFreeBytes: free * 2 ** 30 }];
    },
  };
}

describe('awaitFreeMemory', () => {
  async function wait(freeGib: () => number | null, ms: number, isOver = () => false) {
    const clock = createFakeClock();
    let result: Failure | null | 'waiting' = 'waiting';
    void awaitFreeMemory(clock, probeWith(freeGib), 'GPU-0', 0.9, 60_000, isOver).then((outcome) => (result = outcome));
    await clock.advance(ms);
    return result;
  }

  test('goes on at once when there is room, or when nobody can say', async () => {
    expect(await wait(() => 15, 0)).toBeNull();
    expect(await wait(() => null, 0)).toBeNull();
  });

  test('waits for memory that comes back late', async () => {
    let freeGib = 3;
    const clock = createFakeClock();
    let done = false;
    void awaitFreeMemory(
      clock,
      probeWith(() => freeGib),
      'GPU-0',
      0.9,
      60_000,
      () => false,
    ).then(() => (done = true));
    await clock.advance(3000);
    expect(done).toBe(false);
    freeGib = 15;
    await clock.advance(1000);
    expect(done).toBe(true);
  });

  test('says how much is missing when it has waited long enough', async () => {
    expect(await wait(() => 3, 30_000)).toBe('waiting');
    expect(await wait(() => 3, 70_000)).toMatchObject({
      class: 'busy-vram',
      retry: 'wait',
      message: expect.stringContaining('3.0 of 16.0 GiB free'),
      // What vLLM would find: its own CUDA context is there by then.
      evidence: { freeGib: expect.closeTo(2.65, 2), totalGib: expect.closeTo(16, 2), wantedGib: expect.closeTo(14.4, 2) },
    });
  });

  test('waits for what the CUDA context takes as well: vLLM looks at what is free when that is there', async () => {
    expect(await wait(() => 14.5, 30_000)).toBe('waiting');
    expect(await wait(() => 14.8, 1000)).toBeNull();
  });

  test('does not wait for what is never free, and says what is', async () => {
    const clock = createFakeClock();
    const forShare = (share: number, freeGib: number) =>
      awaitFreeMemory(
        clock,
        probeWith(() => freeGib),
        'GPU-0',
        share,
        60_000,
        () => false,
      );
    expect(await forShare(0.98, 16)).toMatchObject({
      class: 'busy-vram',
      retry: 'never',
      message: expect.stringMatching(/^gpu_memory_utilization 0\.98 is never free on this GPU, even when nothing else runs/),
      advice: 'Leave at least 1.0 GiB for CUDA and for what vLLM cannot foresee: use gpu_memory_utilization 0.94.',
      evidence: { mostUtilization: 0.94 },
    });
    // Whoever else holds some of it.
    expect(await forShare(0.98, 3)).toMatchObject({ retry: 'never' });
    expect(await forShare(0.97, 16)).toBeNull();
  });

  test('ends when nobody waits for it any more', async () => {
    expect(
      await wait(
        () => 3,
        1000,
        () => true,
      ),
    ).toBeNull();
  });
});

describe('PortPool', () => {
  function occupied(): Promise<number> {
    return new Promise((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
      onTestFinished(() => void server.close());
    });
  }

  test('passes over a port that somebody listens on', async () => {
    const port = await occupied();
    expect(await new PortPool([port, port]).take()).toBeNull();
    expect(await new PortPool([port, port]).isFree(port)).toBe(false);
  });

  test('never hands out a port twice before it is given back', async () => {
    const start = await occupied();
    const pool = new PortPool([start + 1, start + 5]);
    const taken = await Promise.all(Array.from({ length: 5 }, () => pool.take()));
    const ports = taken.filter((port) => port !== null);
    expect(new Set(ports).size).toBe(ports.length);
    expect(await pool.take()).toBeNull();
    pool.release(ports[0]!);
    expect(await pool.take()).toBe(ports[0]);
  });
});

describe('WorkerPort', () => {
  /** A port that somebody listens on until `leave`. */
  async function listening(): Promise<{ port: number; leave: () => Promise<void> }> {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const leave = () => new Promise<void>((resolve) => void server.close(() => resolve()));
    onTestFinished(() => void server.close());
    return { port: (server.address() as { port: number }).port, leave };
  }

  test('moves when somebody else listens, and says where there is no other', async () => {
    const { port, leave } = await listening();
    const worker = new WorkerPort(port, new PortPool([port, port]));
    expect(await worker.find()).toBe(false);
    await leave();
    expect(await worker.find()).toBe(true);
    expect(worker.number).toBe(port);
  });

  test('that is to be avoided is taken again once there is no other and it is free', async () => {
    const { port, leave } = await listening();
    await leave();
    const pool = new PortPool([port, port]);
    pool.reserve(port);
    const worker = new WorkerPort(port, pool);
    worker.avoid();
    expect(await worker.find()).toBe(false);
    expect(await worker.find()).toBe(true);
  });
});
