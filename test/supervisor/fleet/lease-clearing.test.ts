import { describe, expect, test } from 'vitest';
import { type CardUser, clearCard } from '../../../supervisor/fleet/lease-clearing.ts';
import type { ComputeApp, GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { supervisionPolicy } from '../../../supervisor/system/policy.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const GIB = 2 ** 30;
const DESKTOP: ComputeApp = { pid: 7, gpuUuid: 'GPU-a', name: 'Xorg', memoryBytes: 2 * GIB };

/** One worker on a card of 16 GiB for CUDA, of which it insists on 14; it makes way, and its memory comes back, when a test says so. */
function scene() {
  const clock = createFakeClock();
  const world = { isOff: false, asleep: 0, freeGib: 2, isOver: false, gaveWay: 0, apps: [] as ComputeApp[] };
  const worker: CardUser = {
    ...{ id: 'worker-1', state: 'draining', isHeld: false },
    giveWay: () => void (world.gaveWay += 1),
    cards: { isOff: () => world.isOff, asleep: () => world.asleep, share: () => (world.isOff ? 0 : 14 / 16) },
  };
  const said: string[] = [];
  const card = { uuid: 'GPU-a', memoryTotalBytes: 16.5 * GIB, memoryReservedBytes: 0.5 * GIB } as GpuReading;
  const cleared = clearCard('GPU-a', [worker], {
    clock,
    cards: { read: async () => [{ ...card, memoryFreeBytes: world.freeGib * GIB }], apps: async () => world.apps },
    policy: supervisionPolicy(60_000, 30_000),
    isOurs: (pid) => pid === 1,
    isOver: () => world.isOver,
    say: (message) => void said.push(message),
  });
  let outcome: string | null | undefined;
  void cleared.then((told) => (outcome = told));
  return { clock, world, said, outcome: () => outcome };
}

describe('a card is cleared', () => {
  test('when its workers are off it and what they had is free, and not before', async () => {
    const { clock, world, said, outcome } = scene();
    await clock.advance(5000);
    expect([world.gaveWay, said, outcome()]).toEqual([1, ['worker-1 is draining.'], undefined]);
    world.isOff = true;
    await clock.advance(2000);
    expect(outcome()).toBeUndefined();
    expect(said.at(-1)).toBe('worker-1 is stopped. 2.0 of 16.0 GiB are free, more is given back.');
    world.freeGib = 16;
    await clock.advance(1000);
    expect([outcome(), said.at(-1)]).toEqual([null, 'worker-1 is stopped. 16.0 of 16.0 GiB are free.']);
  });

  test('as far as a sleeper lets it, which keeps some', async () => {
    const { clock, world, said, outcome } = scene();
    await clock.advance(100);
    Object.assign(world, { isOff: true, asleep: 1, freeGib: 14.8 });
    await clock.advance(1000);
    expect([outcome(), said.at(-1)]).toEqual([null, 'worker-1 sleeps. 14.8 of 16.0 GiB are free.']);
  });

  test('when nothing more is given back, with whoever has the rest, but for what is ours', async () => {
    const { clock, world, said, outcome } = scene();
    world.apps = [DESKTOP, { ...DESKTOP, pid: 1, name: 'VLLM::EngineCore' }, { ...DESKTOP, gpuUuid: 'GPU-b' }];
    await clock.advance(100);
    Object.assign(world, { isOff: true, freeGib: 9 });
    await clock.advance(4000);
    expect(outcome()).toBeUndefined();
    await clock.advance(2000);
    expect([outcome(), said.at(-1)]).toEqual([
      null,
      'worker-1 is stopped. 9.0 of 16.0 GiB are free. The rest is held by Xorg (process 7, 2.0 GiB).',
    ]);
  });

  test('after a while also where somebody takes and gives back all the time', async () => {
    const { clock, world, outcome } = scene();
    await clock.advance(100);
    world.isOff = true;
    for (let second = 0; second < 65 && outcome() === undefined; second += 1) {
      world.freeGib = 5 + (second % 2);
      await clock.advance(1000);
    }
    expect(outcome()).toBeNull();
  });

  test('in vain where a worker cannot be ended, in a bounded time', async () => {
    const { clock, outcome } = scene();
    await clock.advance(100_000);
    expect(outcome()).toBeUndefined();
    await clock.advance(30_000);
    expect(outcome()).toBe('its workers did not make way in time: worker-1 is draining');
  });

  test('no further where nobody waits for it any more', async () => {
    const { clock, world, said, outcome } = scene();
    await clock.advance(1000);
    world.isOver = true;
    await clock.advance(1000);
    expect([outcome(), said]).toEqual([null, ['worker-1 is draining.']]);
  });
});
