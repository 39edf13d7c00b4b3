import { expect, test } from 'vitest';
import { Breakers, type BreakersContext } from '../../../../gateway/policies/dispatch/breakers.ts';
import { CircuitBreaker, type Finding } from '../../../../gateway/policies/dispatch/circuit-breaker.ts';
import { InHand } from '../../../../gateway/policies/in-hand/in-hand.ts';
import { SignsOfLife } from '../../../../gateway/policies/in-hand/signs-of-life.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const SETTINGS = { failures: 2, window_ms: 30_000, failure_rate: 0.5, min_requests: 10, open_ms: 30_000, success_to_close: 1 };

/** Two processes that ask the same two workers, and tell each other at once. The first speaks for both. */
function setUp() {
  const clock = createFakeClock();
  const all: { breakers: Breakers; directory: FakeDirectory; told: Finding[]; changes: string[] }[] = [];
  for (const at of [0, 1]) {
    const directory = new FakeDirectory(clock, [new FakeWorker('w0'), new FakeWorker('w1')]);
    const inHand = new InHand();
    const told: Finding[] = [];
    const changes: string[] = [];
    const events: BreakersContext['events'] = { breakerChanged: (_, from, to, reason) => void changes.push(`${from} ${to} ${reason}`) };
    const tell = (worker: string, finding: Finding): void => {
      told.push(finding);
      all[1 - at]!.breakers.of(worker).follow(finding, clock.now());
    };
    const kin = { speaks: () => at === 0, tell };
    const breakers = new Breakers(
      { clock, random: seededRandom(1), events, directory, breaker: () => SETTINGS, kin },
      new SignsOfLife(inHand),
    );
    all.push({ breakers, directory, told, changes });
  }
  return { clock, a: all[0]!, b: all[1]! };
}

test('a breaker that one process opens is open for the other, who tells nobody of it', async () => {
  const { clock, a, b } = setUp();
  for (let i = 0; i < 2; i++) b.breakers.of('w0').acquire(clock.now())!.failed(clock.now(), 'reset');
  expect([a, b].map(({ breakers }) => breakers.of('w0').admits(clock.now()))).toEqual([false, false]);
  expect(a.breakers.of('w1').admits(clock.now())).toBe(true);
  expect([a.changes, b.changes]).toEqual([[], ['closed open consecutive_failures']]);
  await clock.advance(2_000);
  expect(a.breakers.of('w0').admits(clock.now())).toBe(true);
});

test('while one process tries a worker no other does, and what comes of it counts for both', async () => {
  const { clock, a, b } = setUp();
  for (let i = 0; i < 2; i++) a.breakers.of('w0').acquire(clock.now())!.failed(clock.now(), 'reset');
  await clock.advance(2_000);
  const trial = a.breakers.of('w0').acquire(clock.now())!;
  expect(b.breakers.of('w0').acquire(clock.now())).toBeNull();
  trial.failed(clock.now(), 'reset');
  expect(b.breakers.of('w0').state).toBe('open');
  // The wait is that of one that has opened twice.
  await clock.advance(1_300);
  expect(b.breakers.of('w0').acquire(clock.now())).toBeNull();
  await clock.advance(1_300);
  b.breakers.of('w0').acquire(clock.now())!.succeeded(clock.now());
  expect([a, b].map(({ breakers }) => breakers.of('w0').state)).toEqual(['closed', 'closed']);
});

test('that a worker has begun another life is told by the process that speaks for all', () => {
  const { clock, a, b } = setUp();
  for (let i = 0; i < 2; i++) b.breakers.of('w0').acquire(clock.now())!.failed(clock.now(), 'reset');
  for (const { directory } of [b, a]) {
    const [worker] = directory.workers() as FakeWorker[];
    directory.setState(worker!, 'starting');
    directory.setState(worker!, 'ready');
  }
  expect([a, b].map(({ breakers }) => breakers.of('w0').state)).toEqual(['closed', 'closed']);
  expect(a.changes).toEqual(['open closed worker_ready']);
  expect(b.changes).toEqual(['closed open consecutive_failures']);
});

const GONE = { failures: 1, window_ms: 30_000, failure_rate: 0.5, min_requests: 10, open_ms: 30_000, success_to_close: 2 };

/** A breaker of each of two processes, both open; what they have to tell each other is for the test to hand on. */
function bothOpen() {
  const make = () => new CircuitBreaker(GONE, seededRandom(1), () => {});
  const [a, b] = [make(), make()];
  a.acquire(0)!.failed(0, 'reset');
  b.follow(a.finding(0), 0);
  return { a, b };
}

test('two processes that begin to try a worker at the same moment both come to their end', () => {
  const { a, b } = bothOpen();
  const [first, second] = [a.acquire(5_000)!, b.acquire(5_000)!];
  const told = [a.finding(5_000), b.finding(5_000)] as const;
  b.follow(told[0], 5_001);
  a.follow(told[1], 5_001);
  first.succeeded(5_010);
  second.succeeded(5_010);
  a.acquire(5_020)!.succeeded(5_030);
  expect(a.state).toBe('closed');
  // What the other had still to say changes nothing any more.
  a.follow(told[1], 5_031);
  b.follow(a.finding(5_031), 5_031);
  expect([a.state, b.state]).toEqual(['closed', 'closed']);
});

test('a process whose trials have nobody to make them keeps the others waiting for a moment only', () => {
  const { a, b } = bothOpen();
  a.acquire(5_000)!.neutral();
  b.follow(a.finding(5_000), 5_000);
  expect(b.acquire(5_500)).toBeNull();
  b.acquire(6_100)!.succeeded(6_110);
  b.acquire(6_120)!.succeeded(6_130);
  expect(b.state).toBe('closed');
});
