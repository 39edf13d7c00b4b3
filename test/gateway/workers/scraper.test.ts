import { expect, test } from 'vitest';
import type { Worker } from '../../../gateway/core/worker.ts';
import { createDirectory, type LiveDirectory } from '../../../gateway/workers/directory.ts';
import { type Scraper, startScraper } from '../../../gateway/workers/scraper.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type FakeAnswers, type FakeTransports, fakeTransports, recordChanges, refused, view } from './worker-fixtures.ts';

function page(running: number, waiting = 0): { status: number; body: string } {
  return {
    status: 200,
    body: `vllm:num_requests_running ${running}\nvllm:num_requests_waiting ${waiting}\nvllm:kv_cache_usage_perc 0.5\n`,
  };
}

function setUp(answers: Record<string, FakeAnswers>): {
  clock: FakeClock;
  directory: LiveDirectory;
  transports: FakeTransports;
  seen: string[];
  scraper: Scraper;
  setInterval: (ms: number) => void;
} {
  const clock = createFakeClock();
  const transports = fakeTransports(clock, answers);
  const directory = createDirectory({ clock, events: recordChanges().events, models: [], createTransport: transports.create });
  const seen: string[] = [];
  let intervalMs = 500;
  const source = {
    scrapes: (worker: Worker) => worker.view.state === 'ready',
    observe: (id: string, sight: string) => void seen.push(`${id} ${sight}`),
  };
  const scraper = startScraper({ clock, directory, source, intervalMs: () => intervalMs });
  return {
    clock,
    directory,
    transports,
    seen,
    scraper,
    setInterval: (ms) => {
      intervalMs = ms;
    },
  };
}

test('a ready worker is read at every interval, and its load is what the last page said', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': page(3, 4) } });
  directory.apply([view('a')]);
  const worker = directory.worker('a')!;
  expect(worker.load.scrapedAt).toBeNull();
  worker.inFlight = 2;
  await clock.advance(0);
  expect(worker.load).toMatchObject({ running: 3, waiting: 4, kvUsage: 0.5, scrapedAt: clock.now(), inFlightAtScrape: 2 });
  transports.answers['a'] = { '/metrics': page(8) };
  await clock.advance(2000);
  expect(transports.asked('a')).toHaveLength(5);
  expect(worker.load).toMatchObject({ running: 8, waiting: 0 });
});

test('a page that stands still while nothing of ours is there is that of a worker with nothing to do', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': page(3, 4) } });
  directory.apply([view('a')]);
  const worker = directory.worker('a')!;
  const NOTHING = { running: 0, waiting: 0, kvUsage: 0 };
  await clock.advance(4900);
  expect(worker.load).toMatchObject({ running: 3, waiting: 4, kvUsage: 0.5 });
  await clock.advance(100);
  expect(worker.load).toMatchObject({ ...NOTHING, scrapedAt: clock.now() });
  // Others' requests move it.
  transports.answers['a'] = { '/metrics': page(4, 4) };
  await clock.advance(500);
  expect(worker.load).toMatchObject({ running: 4, waiting: 4, kvUsage: 0.5 });
  await clock.advance(5000);
  expect(worker.load).toMatchObject(NOTHING);
  // A call of ours that is there may well be why it stands so.
  worker.inFlight = 1;
  await clock.advance(10_000);
  expect(worker.load).toMatchObject({ running: 4, waiting: 4, kvUsage: 0.5 });
  worker.inFlight = 0;
  await clock.advance(4500);
  expect(worker.load).toMatchObject({ running: 4 });
  await clock.advance(500);
  expect(worker.load).toMatchObject(NOTHING);
});

const working = (work: number, running = 1) => ({
  status: 200,
  body: `vllm:num_requests_running ${running}\nvllm:kv_cache_usage_perc 0.9\nvllm:generation_tokens_total ${work}\n`,
});

test('a worker that works for others is believed, however steady its gauges', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': working(0, 16) } });
  directory.apply([view('a')]);
  for (let look = 1; look < 30; look += 1) {
    await clock.advance(500);
    transports.answers['a'] = { '/metrics': working(400 * look, 16) };
    expect(directory.worker('a')!.load).toMatchObject({ running: 16, kvUsage: 0.9 });
  }
});

test('it is known when a worker last got on, or had no call of ours to answer', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': working(7) } });
  directory.apply([view('a')]);
  const worker = directory.worker('a')!;
  expect(worker.load.workedAt).toBeNull();
  // Calls that are still on their way there, or whose answers are being read, are none that it lets lie.
  worker.inFlight = 3;
  await clock.advance(5000);
  expect(worker.load).toMatchObject({ work: 7, workedAt: clock.now() });
  worker.unanswered = 1;
  const since = clock.now();
  await clock.advance(5000);
  expect(worker.load).toMatchObject({ workedAt: since, scrapedAt: clock.now() });
  // What it has let lie adds up over the times in which there was nothing.
  worker.unanswered = 0;
  await clock.advance(3000);
  expect(worker.load.scrapedAt! - worker.load.workedAt!).toBe(5000);
  worker.unanswered = 1;
  await clock.advance(1000);
  expect(worker.load.scrapedAt! - worker.load.workedAt!).toBe(6000);
  transports.answers['a'] = { '/metrics': working(8) };
  await clock.advance(500);
  expect(worker.load).toMatchObject({ work: 8, workedAt: clock.now() });
});

test('it is known when a worker was last seen to work, idle or not', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': working(7) } });
  directory.apply([view('a')]);
  const { load } = directory.worker('a')!;
  await clock.advance(5_000);
  expect(load.movedAt).toBeNull();
  transports.answers['a'] = { '/metrics': working(8) };
  await clock.advance(500);
  const seen = clock.now();
  expect(load.movedAt).toBe(seen);
  await clock.advance(5_000);
  expect(load.movedAt).toBe(seen);
});

test('a worker that reads a long prompt is seen to work by the use of its cache, which is all that moves', async () => {
  const reading = (kvUsage: number) => ({ status: 200, body: working(7).body.replace('0.9', String(kvUsage)) });
  const { clock, directory, transports } = setUp({ a: { '/metrics': reading(0.1) } });
  directory.apply([view('a')]);
  const worker = directory.worker('a')!;
  worker.inFlight = worker.unanswered = 1;
  await clock.advance(5_000);
  expect(worker.load.movedAt).toBeNull();
  transports.answers['a'] = { '/metrics': reading(0.2) };
  await clock.advance(500);
  expect(worker.load).toMatchObject({ movedAt: clock.now(), workedAt: clock.now() });
});

test('a time in which a worker could not be looked at, or was away, says nothing about what it let lie', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': working(7) } });
  directory.apply([view('a')]);
  const worker = directory.worker('a')!;
  worker.unanswered = 1;
  await clock.advance(1000);
  const lies = () => worker.load.scrapedAt! - worker.load.workedAt!;
  const before = lies();
  transports.answers['a'] = { '/metrics': refused() };
  await clock.advance(600_000);
  transports.answers['a'] = { '/metrics': working(7) };
  await clock.advance(500);
  expect(lies()).toBe(before);
  directory.apply([view('a', { state: 'starting' })]);
  await clock.advance(600_000);
  directory.apply([view('a')]);
  await clock.advance(500);
  expect(lies()).toBeLessThanOrEqual(500);
});

test('workers are read at different moments', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const { clock, directory, transports } = setUp(Object.fromEntries(names.map((name) => [name, { '/metrics': page(1) }])));
  directory.apply(names.map((name) => view(name)));
  const perStep: number[] = [];
  for (let step = 0; step < 10; step += 1) {
    const before = transports.all.flatMap((transport) => transport.asked).length;
    await clock.advance(50);
    perStep.push(transports.all.flatMap((transport) => transport.asked).length - before);
  }
  expect(perStep.reduce((a, b) => a + b)).toBeGreaterThanOrEqual(names.length);
  expect(Math.max(...perStep)).toBeLessThanOrEqual(2);
});

test('a slow worker has one look under way at most, and is then read on its own beat', async () => {
  const { clock, directory, transports } = setUp({ a: { '/metrics': { afterMs: 1200, answer: page(1) } } });
  directory.apply([view('a')]);
  await clock.advance(1199);
  expect(transports.asked('a')).toHaveLength(1);
  await clock.advance(300);
  expect(transports.asked('a')).toHaveLength(1);
  await clock.advance(1);
  expect(transports.asked('a')).toHaveLength(2);
});

test('the source is told what was seen', async () => {
  const { clock, directory, transports, seen } = setUp({ a: { '/metrics': page(0) } });
  directory.apply([view('a')]);
  await clock.advance(0);
  transports.answers['a'] = { '/metrics': refused() };
  await clock.advance(500);
  transports.answers['a'] = { '/metrics': { status: 503, body: '' } };
  await clock.advance(500);
  transports.answers['a'] = { '/metrics': 'never' };
  await clock.advance(2500);
  transports.answers['a'] = { '/metrics': new Error('socket hang up') };
  await clock.advance(500);
  expect(seen).toEqual(['a answered', 'a refused', 'a dead', 'a missed', 'a missed']);
});

test("a page without vLLM's figures shows life and leaves the load alone", async () => {
  const { clock, directory, transports, seen } = setUp({ a: { '/metrics': page(5) } });
  directory.apply([view('a')]);
  await clock.advance(0);
  const worker = directory.worker('a')!;
  const at = worker.load.scrapedAt;
  for (const other of [
    { status: 200, body: '<html>' },
    { status: 404, body: page(9).body },
  ]) {
    transports.answers['a'] = { '/metrics': other };
    await clock.advance(500);
  }
  expect(worker.load).toMatchObject({ running: 5, scrapedAt: at });
  expect(seen).toEqual(['a answered', 'a answered', 'a answered']);
});

test('a worker that is not to be read is left in peace, and nothing late is taken from it', async () => {
  const { clock, directory, transports, seen } = setUp({ a: { '/metrics': { afterMs: 100, answer: page(7) } } });
  directory.apply([view('a', { state: 'starting' })]);
  await clock.advance(5000);
  expect(transports.asked('a')).toEqual([]);
  directory.apply([view('a')]);
  await clock.advance(50);
  directory.apply([view('a', { state: 'backoff' })]);
  await clock.advance(5000);
  expect(transports.asked('a')).toHaveLength(1);
  expect(directory.worker('a')!.load.scrapedAt).toBeNull();
  expect(seen).toEqual([]);
});

test("a page that comes after the worker has moved is its predecessor's and is dropped", async () => {
  const { clock, directory } = setUp({ a: { '/metrics': { afterMs: 100, answer: page(7) } } });
  directory.apply([view('a')]);
  await clock.advance(50);
  directory.apply([view('a', { url: 'http://elsewhere.test:1' })]);
  await clock.advance(60);
  expect(directory.worker('a')!.load.scrapedAt).toBeNull();
  await clock.advance(500);
  expect(directory.worker('a')!.load.running).toBe(7);
});

test('a new interval holds from the next look on, and close ends it all', async () => {
  const { clock, directory, transports, scraper, setInterval } = setUp({ a: { '/metrics': page(1) } });
  directory.apply([view('a')]);
  await clock.advance(0);
  setInterval(100);
  await clock.advance(500);
  const before = transports.asked('a').length;
  await clock.advance(1000);
  expect(transports.asked('a').length - before).toBe(10);
  scraper.close();
  await clock.advance(1000);
  expect(transports.asked('a').length - before).toBe(10);
  expect(clock.pending).toBe(0);
});
