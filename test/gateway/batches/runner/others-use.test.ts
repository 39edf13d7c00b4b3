import { expect, test } from 'vitest';
import { OthersUse, UNUSED_MS } from '../../../../gateway/batches/runner/others-use.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';

const NOW = 1_000_000;

function setUp(count = 1) {
  const workers = Array.from({ length: count }, (_, at) => new FakeWorker(`w${at}`));
  const directory = new FakeDirectory(createFakeClock(), workers);
  return { workers, directory, others: new OthersUse(directory) };
}

test('a model is left to those who called it within half a minute', () => {
  const { others } = setUp();
  expect(others.restMs(NOW)).toBe(0);
  others.called(fakeCall({ model: MODEL }), NOW);
  expect(others.restMs(NOW + 10_000)).toBe(UNUSED_MS - 10_000);
  expect(others.restMs(NOW + UNUSED_MS)).toBe(0);
});

test('work that this process has sent to nobody is somebody’s; what lines of its own do is not', () => {
  const { others, workers } = setUp();
  workers[0]!.load.movedAt = NOW;
  expect(others.restMs(NOW)).toBe(UNUSED_MS);
  others.ranLine(MODEL, NOW);
  expect(others.restMs(NOW)).toBe(0);
  // Its counters are read a little later.
  workers[0]!.load.movedAt = NOW + 2_000;
  expect(others.restMs(NOW + 2_000)).toBe(0);
  workers[0]!.load.movedAt = NOW + 2_001;
  expect(others.restMs(NOW + 2_001)).toBe(UNUSED_MS);
});

test('one worker that is unused, or has nothing loaded, is enough', () => {
  const { others, workers, directory } = setUp(2);
  for (const { load } of workers) load.movedAt = NOW;
  expect(others.restMs(NOW)).toBe(UNUSED_MS);
  workers[0]!.load.movedAt = NOW - UNUSED_MS;
  expect(others.restMs(NOW)).toBe(0);
  workers[0]!.load.movedAt = NOW;
  directory.setState(workers[1]!, 'idle');
  expect(others.restMs(NOW)).toBe(0);
});

test('of a worker that is new nothing is known for two seconds; while none is ready, the last call counts', () => {
  const { others, workers, directory } = setUp();
  workers[0]!.life = { since: NOW };
  expect(others.restMs(NOW)).toBe(2_000);
  others.called(fakeCall({ model: MODEL }), NOW);
  directory.setState(workers[0]!, 'backoff');
  expect(others.restMs(NOW + 5_000)).toBe(UNUSED_MS - 5_000);
});
