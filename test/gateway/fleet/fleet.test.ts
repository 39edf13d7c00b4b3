import { describe, expect, test } from 'vitest';
import { Fleet, type Got, type Needs } from '../../../gateway/fleet/fleet.ts';
import { fleetShare } from '../../../gateway/fleet/fleet-share.ts';
import type { Answer, PlacesStore, Saying, Standing } from '../../../gateway/fleet/terms.ts';
import { workerName } from '../../../gateway/fleet/worker-name.ts';
import { BoxShare, workerOf } from '../../../gateway/processes/box-share.ts';
import { Ledger } from '../../../gateway/processes/ledger/ledger.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { FakeWorker, MODEL } from '../../support/fake-worker.ts';

const TOTAL = 20;

/** As the script has it, without leases. */
class MemoryStore {
  isUp = true;
  readonly entries = new Map<string, Map<string, Standing>>();

  of(id: string): PlacesStore {
    const settle = ({ worker, ask, ...said }: Saying): Answer => {
      const all = this.entries.get(worker) ?? new Map<string, Standing>();
      this.entries.set(worker, all);
      const others = [...all.values()].filter((each) => each.id !== id);
      const least = Math.min(said.total, ...others.map(({ total }) => total));
      const granted = Math.max(0, Math.min(ask, least - said.held - others.reduce((sum, { held }) => sum + held, 0)));
      all.set(id, { ...said, id, held: said.held + granted, servedAt: 0, isGone: false });
      return { granted, standings: [...all.values()] };
    };
    const isUp = (): boolean => this.isUp;
    return {
      get isUp() {
        return isUp();
      },
      settle: (sayings) => Promise.resolve(this.isUp ? sayings.map(settle) : null),
      leave: (workers) => {
        for (const worker of workers) this.entries.get(worker)?.delete(id);
        return Promise.resolve();
      },
    };
  }
}

interface Line {
  inUse: number;
  waiting: number;
}

function figures(line: Line) {
  return { model: MODEL, inUse: line.inUse, inUseLater: 0, waiting: line.waiting, waitingLater: 0, onProbation: 0 };
}

async function gateway(clock: FakeClock, id: string, store: MemoryStore | null, gateways: 'auto' | number = 'auto') {
  const worker = new FakeWorker('w');
  const directory = new FakeDirectory(clock, [worker]);
  const counts: number[] = [];
  const fleet = new Fleet({
    ...{ clock, directory, id, machine: 'host', gateways: () => gateways, intervalMs: () => 500 },
    onGateways: (count) => counts.push(count),
  });
  const share = fleetShare(fleet, null);
  const line: Line = { inUse: 0, waiting: 0 };
  share.reckonFrom({ lines: () => [figures(line)], placesOf: () => TOTAL, mostWaiting: () => 100 });
  await fleet.begin(store?.of(id) ?? null);
  const use = (inUse: number, waiting = 0): void => {
    worker.inFlight = inUse;
    Object.assign(line, { inUse, waiting });
  };
  return { fleet, share, worker, directory, counts, use };
}

describe('a gateway with a store', () => {
  test('has all places as long as it is alone, from its first moment on', async () => {
    const { share, counts } = await gateway(createFakeClock(), 'a', new MemoryStore());
    expect(share.places('w')).toBe(TOTAL);
    expect(share.line(MODEL)).toBe(Infinity);
    expect(counts.at(-1)).toBe(1);
  });

  test('is no other for operators while the store does not answer', async () => {
    const clock = createFakeClock();
    const store = new MemoryStore();
    const { fleet, counts } = await gateway(clock, 'a', store);
    for (const isUp of [false, true, false]) {
      store.isUp = isUp;
      await clock.advance(1_000);
    }
    expect(fleet.gateways).toBe(1);
    expect(counts).toEqual([1]);
  });

  test('leaves what it does not need to one that comes, and gets it back when that has gone', async () => {
    const clock = createFakeClock();
    const store = new MemoryStore();
    const first = await gateway(clock, 'a', store);
    first.use(3);
    await clock.advance(300);
    const second = await gateway(clock, 'b', store);
    second.use(0, 30);
    second.share.ask();
    await clock.advance(1_000);
    expect(first.counts.at(-1)).toBe(2);
    expect([first.share.places('w'), second.share.places('w')]).toEqual([3, 17]);
    first.use(3, 30);
    second.use(17, 30);
    await clock.advance(1_000);
    // Nobody loses what is in use; what becomes free there is the other's.
    expect([first.share.places('w'), second.share.places('w')]).toEqual([3, 10]);
    second.use(12, 30);
    second.share.freed();
    await clock.advance(1_000);
    expect([first.share.places('w'), second.share.places('w')]).toEqual([8, 10]);
    second.use(0);
    await second.fleet.close();
    await clock.advance(5_000);
    expect(first.share.places('w')).toBe(TOTAL);
  });

  test('goes by what it sees while the store is away, and tells it later what it uses', async () => {
    const clock = createFakeClock();
    const store = new MemoryStore();
    const first = await gateway(clock, 'a', store);
    const second = await gateway(clock, 'b', store);
    first.use(8, 20);
    second.use(2);
    await clock.advance(1_000);
    store.isUp = false;
    for (let i = 0; i < 10; i++) {
      Object.assign(first.worker.load, { running: 10, inFlightAtScrape: 8, scrapedAt: clock.now() });
      await clock.advance(500);
    }
    // Its part of the ten that are seen free, and what it has.
    expect(first.share.places('w')).toBeGreaterThan(8);
    expect(first.share.places('w')).toBeLessThan(14);
    store.isUp = true;
    await clock.advance(1_000);
    expect(first.share.places('w') + second.share.places('w')).toBeLessThanOrEqual(TOTAL);
    expect(first.share.places('w')).toBeGreaterThanOrEqual(14);
  });

  test('refuses nobody for want of room in a line before the others were asked', async () => {
    const clock = createFakeClock();
    const store = new MemoryStore();
    const first = await gateway(clock, 'a', store);
    const second = await gateway(clock, 'b', store);
    second.use(0, 1);
    await clock.advance(500);
    expect(second.share.mayHaveMore(MODEL)).toBe(true);
    const question = second.share.ask();
    expect(second.share.isAnswered(MODEL, question)).toBe(false);
    await clock.advance(100);
    expect(second.share.isAnswered(MODEL, question)).toBe(true);
    first.use(20, 5);
    await clock.advance(500);
    expect(second.share.mayHaveMore(MODEL)).toBe(false);
  });
});

describe('a gateway of several processes', () => {
  test('divides between them what it has of the fleet', async () => {
    const clock = createFakeClock();
    const store = new MemoryStore();
    const other = await gateway(clock, 'z', store);
    const ledger = new Ledger();
    const boxes: BoxShare[] = [];
    const tellTerms = (to: number, heard: number): void => {
      for (const [process, terms] of ledger.terms()) boxes[process]?.told(terms, process === to ? heard : 0);
    };
    const needs = (): Needs =>
      new Map(
        [...ledger.sums()].flatMap(({ id, first, rest, held }) => {
          const worker = workerOf(id);
          return worker === null ? [] : [[worker, { first, rest, kept: held, inUse: Math.min(held, first + rest) }] as const];
        }),
      );
    const fleets: Fleet[] = [];
    const processes = [0, 1].map((process) => {
      const worker = new FakeWorker('w');
      const directory = new FakeDirectory(clock, [worker]);
      const fleet = new Fleet({
        ...{ clock, directory, id: 'box', machine: 'host', gateways: () => 'auto' as const, intervalMs: () => 500, onGateways() {} },
        kin: { speaks: () => process === 0, needs, tell: (got: Got) => fleets[1 - process]?.follow(got) },
      });
      const box = new BoxShare({
        clock,
        say: (words, times, said) => {
          ledger.heard(process, said, times);
          tellTerms(process, words);
        },
      });
      fleets.push(fleet);
      boxes.push(box);
      const line: Line = { inUse: 0, waiting: 0 };
      const share = fleetShare(fleet, box);
      share.reckonFrom({ lines: () => [figures(line)], placesOf: () => TOTAL, mostWaiting: () => 100 });
      box.start(directory);
      return { fleet, share, worker, line };
    });
    for (const { fleet } of processes) await fleet.begin(store.of('box'));
    const use = (process: number, inUse: number, waiting: number): void => {
      processes[process]!.worker.inFlight = inUse;
      Object.assign(processes[process]!.line, { inUse, waiting });
    };
    // The second process, which speaks for nobody, has all the load.
    use(1, 0, 40);
    await clock.advance(2_000);
    expect(processes[1]!.share.places('w')).toBe(TOTAL);
    use(1, 20, 40);
    other.use(0, 40);
    await clock.advance(1_000);
    expect(processes[1]!.share.places('w')).toBe(TOTAL / 2);
    expect(other.share.places('w')).toBe(0);
    use(1, 10, 40);
    await clock.advance(1_000);
    expect([processes[0]!.share.places('w'), processes[1]!.share.places('w')]).toEqual([0, 10]);
    expect(other.share.places('w')).toBe(10);
    expect(fleets.map(({ gateways }) => gateways)).toEqual([2, 2]);
  });
});

test('a worker is called the same by all who reach the same one', () => {
  expect(workerName('http://10.0.0.7:8000', 'one')).toBe(workerName('http://10.0.0.7:8000', 'other'));
  expect(workerName('http://127.0.0.1:8000', 'one')).not.toBe(workerName('http://127.0.0.1:8000', 'other'));
  expect(workerName('http://localhost:8000', 'one')).toBe(workerName('http://localhost:8000', 'one'));
});
