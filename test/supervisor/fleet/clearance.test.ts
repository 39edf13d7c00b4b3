import { describe, expect, test } from 'vitest';
import { Lease } from '../../../gateway/core/lease.ts';
import { clearStart, takeTurn } from '../../../supervisor/fleet/clearance.ts';
import type { LentCards } from '../../../supervisor/fleet/lent-cards.ts';
import type { Failure } from '../../../supervisor/failure/failure.ts';
import type { GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { StartTurns } from '../../../supervisor/fleet/start-turns.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const GIB = 2 ** 30;

/** Cards that are lent when a test says so. */
class FakeLent implements Pick<LentCards, 'isFree' | 'whenFree'> {
  readonly cards = new Set<string>();
  readonly waiting = new Set<() => void>();

  isFree(gpuUuids: readonly string[]): boolean {
    return !gpuUuids.some((uuid) => this.cards.has(uuid));
  }

  whenFree(_: readonly string[], then: () => void): Lease {
    this.waiting.add(then);
    return new Lease(() => this.waiting.delete(then));
  }

  giveBack(): void {
    this.cards.clear();
    for (const then of [...this.waiting]) {
      this.waiting.delete(then);
      then();
    }
  }
}

/** Starts on one card of 16.44 GiB (16 for CUDA), of which so much is free; nvidia-smi is as quick as thought. */
function startsOn(freeGib: () => number) {
  const clock = createFakeClock();
  const turns = new StartTurns();
  const { log, lines } = collectedLog();
  const card = { uuid: 'GPU-0', memoryTotalBytes: 16.44 * GIB } as GpuReading;
  const cards = { read: async () => [{ ...card, memoryFreeBytes: freeGib() * GIB }] };
  const worker = (utilization: number) => ({ gpuUuids: ['GPU-0'], utilization, spec: { id: 'worker-1', wanted: null } });
  const lent = new FakeLent();
  const world = { clock, log, cards, policy: { vramPatienceMs: 60_000 }, lent };
  return {
    clock,
    lent,
    said: () => lines.map(({ event }) => event),
    start(utilization: number, make: () => void, done: (failure: Failure | null) => void, isBeingMade = () => false) {
      return clearStart(turns, worker(utilization), { setup: null, isSleeper: false, room: { make, isBeingMade } }, world, done);
    },
    next: (onTurn: () => void) => takeTurn(turns, worker(0.9), onTurn),
  };
}

describe('a start that waits for its GPU', () => {
  test('holds its turn from permission on, until it gives it back', async () => {
    const { clock, start, next } = startsOn(() => 16);
    const told: string[] = [];
    const lease = start(0.9, expect.fail, (failure) => told.push(`permission ${failure}`));
    next(() => told.push('next'));
    await clock.advance(0);
    expect(told).toEqual(['permission null']);
    lease.release();
    expect(told).toEqual(['permission null', 'next']);
  });

  test('has given its turn back when it is told of a failure: what it starts instead does not wait behind itself', async () => {
    const { clock, start } = startsOn(() => 3);
    const told: (string | null)[] = [];
    start(
      0.9,
      () => {},
      (failure) => {
        told.push(failure?.class ?? null);
        start(0.1, expect.fail, (second) => told.push(second?.class ?? null));
      },
    );
    await clock.advance(70_000);
    expect(told).toEqual(['busy-vram', null]);
  });

  test('makes room and says so once memory that is given back would have been there, and not before', async () => {
    let freeGib = 3;
    const { clock, said, start } = startsOn(() => freeGib);
    const told: unknown[] = [];
    start(
      0.9,
      () => (freeGib = 16),
      (failure) => told.push(failure),
    );
    await clock.advance(4000);
    expect([freeGib, said()]).toEqual([3, []]);
    await clock.advance(3000);
    expect([freeGib, said(), told]).toEqual([16, ['worker.waiting'], [null]]);
  });

  test('has its whole patience for others once its own have ended, however long they take for it', async () => {
    let isBeingMade = false;
    const { clock, start } = startsOn(() => 3);
    const told: unknown[] = [];
    start(
      0.9,
      () => (isBeingMade = true),
      (failure) => told.push(failure?.retry),
      () => isBeingMade,
    );
    await clock.advance(200_000);
    expect([isBeingMade, told]).toEqual([true, []]);
    isBeingMade = false;
    await clock.advance(59_000);
    expect(told).toEqual([]);
    await clock.advance(2000);
    expect(told).toEqual(['wait']);
  });

  test('and is given up while its own are ending is not told of anything', async () => {
    const { clock, start, next } = startsOn(() => 3);
    const told: string[] = [];
    const lease = start(
      0.9,
      () => {},
      () => expect.fail(),
      () => true,
    );
    await clock.advance(20_000);
    lease.release();
    next(() => told.push('next'));
    await clock.advance(20_000);
    expect(told).toEqual(['next']);
  });

  test('for more than is ever free ends nobody’s sleep, and does not wait', async () => {
    const { clock, said, start } = startsOn(() => 3);
    const told: unknown[] = [];
    start(0.99, expect.fail, (failure) => told.push(failure?.retry));
    await clock.advance(0);
    expect([told, said()]).toEqual([['never'], []]);
  });

  test('that is lent waits for it before its turn, so that others on it are not behind it, and again if it is lent meanwhile', async () => {
    let freeGib = 16;
    const { clock, lent, start, next } = startsOn(() => freeGib);
    lent.cards.add('GPU-0');
    const told: string[] = [];
    const lease = start(0.9, expect.fail, (failure) => told.push(`permission ${failure}`));
    next(() => told.push('next')).release();
    await clock.advance(600_000);
    expect([told, lent.waiting.size]).toEqual([['next'], 1]);
    freeGib = 3;
    lent.giveBack();
    await clock.advance(1000);
    // It has its turn and waits for memory: whoever has the card from now on is not to be blamed for having it.
    lent.cards.add('GPU-0');
    await clock.advance(600_000);
    expect([told, lent.waiting.size]).toEqual([['next'], 1]);
    freeGib = 16;
    lent.giveBack();
    await clock.advance(0);
    expect(told).toEqual(['next', 'permission null']);
    lease.release();
    next(() => told.push('next'));
    expect(told.at(-1)).toBe('next');
  });

  test('that is lent, and is given up, is not told when the card is back', async () => {
    const { clock, lent, start } = startsOn(() => 16);
    lent.cards.add('GPU-0');
    const lease = start(0.9, expect.fail, () => expect.fail());
    lease.release();
    lent.giveBack();
    await clock.advance(1000);
    expect(lent.waiting.size).toBe(0);
  });

  test('and is given up leaves the line', async () => {
    const { clock, start, next } = startsOn(() => 3);
    const told: string[] = [];
    const lease = start(
      0.9,
      () => {},
      () => {},
    );
    next(() => told.push('next'));
    await clock.advance(1000);
    lease.release();
    expect(told).toEqual(['next']);
  });
});
