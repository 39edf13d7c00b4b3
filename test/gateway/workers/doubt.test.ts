import { describe, expect, test } from 'vitest';
import { Doubt } from '../../../gateway/workers/doubt.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';

const LOOK_MS = 500;

/** A worker with a call in hand that is looked at twice a second; `moves` says whether a look finds more done. */
function watched(calls = 1) {
  const clock = createFakeClock();
  const worker = new FakeWorker('a');
  worker.inFlight = calls;
  Object.assign(worker.load, { work: 1, scrapedAt: clock.now() });
  const doubt = new Doubt(clock, worker);
  const asked = () => worker.transport.exchanges;
  async function pass(ms: number, moves: () => boolean = () => false): Promise<void> {
    for (const end = clock.now() + ms; clock.now() < end;) {
      await clock.advance(LOOK_MS);
      worker.load.scrapedAt = clock.now();
      doubt.looked(moves());
    }
  }
  return { clock, worker, doubt, asked, pass };
}

describe('a worker that stands still with calls of ours', () => {
  test('is asked for one token after five seconds', async () => {
    const { worker, asked, pass } = watched();
    await pass(4_500);
    expect(asked()).toEqual([]);
    await pass(500);
    expect(asked()).toHaveLength(1);
    expect(worker.last.request).toMatchObject({ method: 'POST', path: '/v1/completions' });
    expect(JSON.parse(worker.last.request.body!.bytes.toString())).toMatchObject({ max_tokens: 1 });
  });

  test('is known to withhold it eight seconds later, and asked again until it makes one', async () => {
    const { clock, worker, doubt, asked, pass } = watched();
    await pass(12_500);
    expect(worker.load.withheldAt).toBeNull();
    await pass(500);
    expect(worker.load.withheldAt).toBe(clock.now());
    expect(worker.last.aborted).toBe(true);
    // Its calls have left meanwhile: nobody else would find out.
    worker.inFlight = 0;
    await pass(60_000);
    expect(asked().length).toBeGreaterThan(3);
    expect(worker.load.withheldAt).not.toBeNull();
    await pass(13_000, () => worker.last.over);
    worker.last.answer(200, { choices: [{ text: ' a' }] });
    expect(worker.load.withheldAt).toBeNull();
    doubt.close();
    expect(clock.pending).toBe(0);
  });

  test('is trusted where its counters move before the token comes: it may have much to do', async () => {
    const { worker, asked, pass } = watched();
    await pass(5_000);
    await pass(500, () => true);
    expect(worker.last.aborted).toBe(true);
    await pass(60_000, () => true);
    expect(worker.load.withheldAt).toBeNull();
    expect(asked()).toHaveLength(1);
  });

  test('is not judged by a token alone, where its counters could not be read', async () => {
    const { clock, worker, pass } = watched();
    await pass(5_000);
    await clock.advance(20_000);
    expect(worker.last.aborted).toBe(true);
    expect(worker.load.withheldAt).toBeNull();
  });

  test('is asked ever more rarely, up to once a minute, where it makes the token each time', async () => {
    const { worker, asked, pass } = watched();
    for (let look = 0; look < 1_200; look += 1) {
      await pass(LOOK_MS);
      if (asked().length > 0 && !worker.last.over) worker.last.answer(200, { choices: [{ text: ' a' }] });
    }
    expect(asked().length).toBeGreaterThanOrEqual(10);
    expect(asked().length).toBeLessThanOrEqual(14);
    expect(worker.load.withheldAt).toBeNull();
  });

  test('is asked once where its model makes no tokens, and no more than now and then where it is too busy to say', async () => {
    for (const [status, most] of [
      [404, 1],
      [503, 10],
    ] as const) {
      const { worker, asked, pass } = watched();
      for (let look = 0; look < 240; look += 1) {
        await pass(LOOK_MS);
        if (asked().length > 0 && !worker.last.over) worker.last.answer(status, {});
      }
      expect(asked().length).toBeGreaterThan(0);
      expect(asked().length).toBeLessThanOrEqual(most);
      expect(worker.load.withheldAt).toBeNull();
    }
  });
});

test('a worker with no call of ours, or one that does not count, is asked nothing', async () => {
  const idle = watched(0);
  await idle.pass(60_000);
  expect(idle.asked()).toEqual([]);
  const silent = watched();
  silent.worker.load.work = null;
  await silent.pass(60_000);
  expect(silent.asked()).toEqual([]);
});
