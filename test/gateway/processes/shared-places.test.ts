import { expect, test } from 'vitest';
import type { Lease } from '../../../gateway/core/lease.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { Admission } from '../../../gateway/policies/admission/admission.ts';
import { BoxShare } from '../../../gateway/processes/box-share.ts';
import { Ledger } from '../../../gateway/processes/ledger/ledger.ts';
import { fakeCall, type FakeCallOptions } from '../../support/fake-call.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { FakeDirectory } from '../../support/fake-directory.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';

interface Setup {
  readonly places: number;
  readonly max_queue: number;
  readonly processes?: number;
}

/** Several processes' admissions, each with its own view of one worker; words between them and the ledger take a millisecond. */
async function setUp({ places, max_queue, processes = 2 }: Setup) {
  const clock = createFakeClock();
  const ledger = new Ledger();
  const settings = { max_queue, queue_timeout_ms: 30_000, headroom: 0, reject_status: 503 as const };
  const shares: BoxShare[] = [];
  const answer = (to: number, words: number): void => {
    for (const [process, terms] of ledger.terms()) clock.after(1, () => shares[process]!.told(terms, process === to ? words : 0));
  };
  const all = Array.from({ length: processes }, (_, number) => {
    const worker = new FakeWorker('w0', { maxNumSeqs: places });
    const directory = new FakeDirectory(clock, [worker]);
    const share = new BoxShare({
      clock,
      say: (words, times, needs) =>
        void clock.after(1, () => {
          ledger.heard(number, needs, times);
          answer(number, words);
        }),
    });
    shares.push(share);
    const pressure = { warn_kv_usage: 0.85, critical_kv_usage: 0.95, scrape_interval_ms: 500 };
    const timeouts = { stream_total_ms: 300_000, request_total_ms: 60_000 };
    const admission = new Admission({
      clock,
      events: new RecordedEvents(),
      directory,
      share,
      admission: () => settings,
      pressure: () => pressure,
      timeouts: () => timeouts,
    });
    share.start(directory);
    const running: { id: string; lease: Lease }[] = [];
    return {
      worker,
      running,
      refused: [] as string[],
      enter(options: FakeCallOptions = {}): void {
        const call = fakeCall({ arrivedAt: clock.now(), ...options });
        void admission
          .room(call.model)
          .enter(call)
          .then(
            (lease) => {
              worker.inFlight += 1;
              running.push({ id: call.id, lease });
            },
            (error: unknown) => this.refused.push(error instanceof GatewayError ? error.reason : String(error)),
          );
      },
      /** The call that has run longest ends. */
      leave(): void {
        const first = running.shift();
        if (!first) return;
        worker.inFlight -= 1;
        first.lease.release();
      },
      depth: () => admission.depth('interactive') + admission.depth('batch'),
    };
  });
  await clock.advance(200);
  return { clock, ledger, shares, all, a: all[0]!, b: all[1]!, running: () => all.reduce((sum, { running }) => sum + running.length, 0) };
}

test('the only place is found by a call of whichever process, while the other does not use it', async () => {
  const { clock, a, b } = await setUp({ places: 1, max_queue: 0 });
  for (const one of [a, b, a, a, b, b]) {
    one.enter();
    await clock.advance(20);
    expect(one.running).toHaveLength(1);
    one.leave();
    await clock.advance(5);
  }
  expect([...a.refused, ...b.refused]).toEqual([]);
});

test('all places and all room to wait go to one process where only that has calls', async () => {
  const { clock, a, running } = await setUp({ places: 8, max_queue: 6 });
  for (let i = 0; i < 20; i++) a.enter();
  await clock.advance(100);
  expect(running()).toBe(8);
  expect(a.depth()).toBe(6);
  expect(a.refused).toEqual(Array.from({ length: 6 }, () => 'queue_full'));
});

test('a call that waits for nothing but the word of others waits no longer than two seconds', async () => {
  const { clock, a, shares } = await setUp({ places: 1, max_queue: 0 });
  a.enter();
  await clock.advance(20);
  // Nobody answers any more.
  for (const share of shares) share.told = () => {};
  a.enter();
  a.enter();
  await clock.advance(1_950);
  expect(a.refused).toEqual([]);
  await clock.advance(100);
  expect(a.refused).toEqual(['queue_full', 'queue_full']);
});

test('interactive calls of one process go before batch calls of another', async () => {
  const { clock, a, b } = await setUp({ places: 4, max_queue: 100 });
  for (let i = 0; i < 12; i++) a.enter({ priority: 'batch' });
  await clock.advance(50);
  expect(a.running).toHaveLength(4);
  for (let i = 0; i < 4; i++) b.enter();
  await clock.advance(50);
  for (let i = 0; i < 4; i++) {
    a.leave();
    await clock.advance(20);
  }
  expect([a.running.length, b.running.length]).toEqual([0, 4]);
  expect(a.depth()).toBe(8);
});

test('a process that has few calls has places for them, though another fills up at once whatever becomes free', async () => {
  const { clock, a, b, running } = await setUp({ places: 4, max_queue: 0 });
  let served = 0;
  for (let ms = 0; ms < 6_000; ms += 5) {
    const isLate = ms > 1_000 && ms % 60 === 0;
    if (isLate) b.enter();
    a.leave();
    for (let i = 0; i < 3; i++) a.enter();
    await clock.advance(5);
    expect(running()).toBeLessThanOrEqual(4);
    if (ms % 60 !== 5 || b.running.length === 0) continue;
    served += 1;
    b.leave();
  }
  expect(b.refused.length + served).toBe(83);
  expect(served).toBeGreaterThan(30);
});

test('what a worker loses under pressure is taken from all together, and no more than that', async () => {
  const { clock, all, a, b, running } = await setUp({ places: 8, max_queue: 100 });
  for (const one of [a, b]) for (let i = 0; i < 20; i++) one.enter();
  await clock.advance(50);
  expect(running()).toBe(8);
  for (const { worker } of all) worker.view = { ...worker.view, maxNumSeqs: 3 };
  await clock.advance(100);
  for (let i = 0; i < 12; i++) {
    for (const one of [a, b]) {
      one.leave();
      await clock.advance(20);
    }
  }
  expect(running()).toBe(3);
});
