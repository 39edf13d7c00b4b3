import { expect, test } from 'vitest';
import { SilenceWatch } from '../../../../gateway/policies/relay/silence-watch.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const SETTINGS = { first_token_ms: 60_000, idle_ms: 90_000, keep_alive_ms: 30_000 };

/** A watch that has begun, and what it says and when. */
function watched() {
  const clock = createFakeClock();
  const begun = clock.now();
  const said: [what: string, atMs: number][] = [];
  const say = (what: string) => () => void said.push([what, clock.now() - begun]);
  const worker = { movedAt: -Infinity };
  const listener = {
    movedAt: () => worker.movedAt,
    onNoFirstToken: say('no token'),
    onIdle: say('idle'),
    onReaderStalled: say('reader stalled'),
    onKeepAlive: say('comment'),
  };
  const watch = new SilenceWatch(clock, SETTINGS, listener);
  watch.start();
  return { clock, watch, said, worker };
}

test('comments come at their intervals while the worker is silent, until it was silent for too long', async () => {
  const { clock, watch, said } = watched();
  watch.heard(clock.now());
  await clock.advance(90_000);
  expect(said).toEqual([
    ['comment', 30_000],
    ['comment', 60_000],
    ['idle', 90_000],
  ]);
  watch.stop();
  expect(clock.pending).toBe(0);
});

test('after a client was slow its next comment is due as after any silence', async () => {
  const { clock, watch, said } = watched();
  watch.heard(clock.now());
  await clock.advance(1_000);
  watch.hold(clock.now());
  await clock.advance(1_000);
  watch.release(clock.now());
  await clock.advance(30_000);
  expect(said).toEqual([['comment', 32_000]]);
  watch.stop();
});

test('a client that does not read is given up after as long as a worker that does not write, and gets no comments meanwhile', async () => {
  const { clock, watch, said } = watched();
  watch.heard(clock.now());
  await clock.advance(10_000);
  watch.hold(clock.now());
  await clock.advance(90_000);
  expect(said).toEqual([['reader stalled', 100_000]]);
});

test('a worker that is seen to work is not stuck, however long it has nothing to say to this stream', async () => {
  const { clock, watch, said, worker } = watched();
  const begun = clock.now();
  for (let seconds = 0; seconds < 200; seconds++) {
    await clock.advance(1_000);
    worker.movedAt = clock.now();
  }
  expect(said.filter(([what]) => what !== 'comment')).toEqual([]);
  watch.heard(clock.now());
  for (let seconds = 0; seconds < 200; seconds++) {
    await clock.advance(1_000);
    worker.movedAt = clock.now();
  }
  await clock.advance(90_000);
  expect(said.filter(([what]) => what !== 'comment')).toEqual([['idle', worker.movedAt - begun + 90_000]]);
  watch.stop();
});

test('a worker is not blamed for the time in which this process stood still', async () => {
  const { clock, watch, said } = watched();
  watch.heard(clock.now());
  await clock.standStill(95_000);
  expect(said).toEqual([]);
  // What it wrote meanwhile is read now.
  watch.heard(clock.now());
  await clock.advance(25_000);
  expect(said).toEqual([]);
  await clock.advance(65_000);
  expect(said.at(-1)).toEqual(['idle', 185_000]);
  watch.stop();
});

test('but it is when it has nothing to say afterwards', async () => {
  const { clock, watch, said } = watched();
  watch.heard(clock.now());
  await clock.standStill(95_000);
  await clock.advance(5_000);
  expect(said).toEqual([['idle', 100_000]]);
  watch.stop();
});
