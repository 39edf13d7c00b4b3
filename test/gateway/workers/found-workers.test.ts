import { expect, test } from 'vitest';
import { createDirectory, type LiveDirectory } from '../../../gateway/workers/directory.ts';
import { type ListedSource, startListedSource } from '../../../gateway/workers/listed-source.ts';
import type { WorkerListing } from '../../../gateway/workers/worker-listing.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type FakeTransports, fakeTransports, recordChanges } from './worker-fixtures.ts';

const OK = { status: 200, body: '' };
const MODELS = { status: 200, body: '{"data":[{"id":"m"}]}' };
const WELL = { '/health': OK, '/v1/models': MODELS };
const ID = '10.0.0.1:8000';
const OTHER = '10.0.0.2:8000';

function found(id: string, more: Partial<WorkerListing> = {}): WorkerListing {
  const source = 'kubernetes a/vllm';
  return { url: `http://${id}`, apiKey: null, models: null, maxNumSeqs: 8, source, uid: `pod at ${id}`, isEnding: false, ...more };
}

interface Scene {
  clock: FakeClock;
  directory: LiveDirectory;
  source: ListedSource;
  seen: string[];
  transports: FakeTransports;
}

async function setUp(workers: readonly WorkerListing[], drained: readonly string[] = []): Promise<Scene> {
  const clock = createFakeClock();
  const transports = fakeTransports(clock, { [ID]: WELL, [OTHER]: WELL });
  const { events, seen } = recordChanges();
  const directory = createDirectory({ clock, events, models: [], createTransport: transports.create });
  const source = startListedSource({ clock, directory, workers, drained });
  await clock.advance(0);
  return { clock, directory, source, seen, transports };
}

test('one that is found is asked for its models before it gets a call, and says where it was found', async () => {
  const { directory, transports } = await setUp([found(ID)]);
  expect(transports.asked(ID).slice(0, 1)).toEqual(['/v1/models']);
  expect(transports.asked(ID)).toContain('/health');
  expect(directory.worker(ID)?.view).toMatchObject({ state: 'ready', source: 'kubernetes a/vllm', uid: `pod at ${ID}` });
});

test('one that is gone leaves at once, though nobody in its place is ready', async () => {
  const { clock, directory, source } = await setUp([found(ID)]);
  source.update([found('10.0.0.3:8000')]);
  expect(directory.worker(ID)).toBeNull();
  expect(directory.readyFor('m')).toEqual([]);
  source.close();
  await directory.close();
  expect(clock.pending).toBe(0);
});

test('one that is listed as well as found is kept as any that is listed', async () => {
  const { directory, source } = await setUp([{ url: `http://${ID}`, apiKey: null, models: null, maxNumSeqs: 8 }]);
  source.update([found('10.0.0.3:8000')]);
  expect(directory.worker(ID)?.view.state).toBe('ready');
});

test('one that is about to end gets nothing new, finishes what it has, and leaves when that is done', async () => {
  const { clock, directory, source, seen } = await setUp([found(ID), found(OTHER)]);
  const worker = directory.worker(ID)!;
  worker.inFlight = 1;
  source.update([found(ID, { isEnding: true }), found(OTHER)]);
  expect(worker.view.state).toBe('draining');
  expect(directory.readyFor('m').map(({ id }) => id)).toEqual([OTHER]);
  await clock.advance(10_000);
  expect(worker.view.state).toBe('draining');
  worker.inFlight = 0;
  await clock.advance(200);
  expect(directory.worker(ID)).toBeNull();
  // That it is still named as ending brings nobody back.
  source.update([found(ID, { isEnding: true }), found(OTHER)]);
  expect(directory.worker(ID)).toBeNull();
  expect(seen.filter((line) => line.startsWith(ID))).toEqual([
    `${ID}: new -> starting`,
    `${ID}: starting -> ready`,
    `${ID}: ready -> draining`,
    `${ID}: draining -> stopping`,
  ]);
});

test('one that ends with nothing to do leaves at once, and others notice nothing', async () => {
  const { directory, source, seen } = await setUp([found(ID), found(OTHER)]);
  seen.length = 0;
  source.update([found(ID, { isEnding: true }), found(OTHER)]);
  expect(directory.workers().map(({ id }) => id)).toEqual([OTHER]);
  expect(seen).toEqual([`${ID}: ready -> stopping`]);
});

test('one that was never known is not begun with when it ends already', async () => {
  const { directory, transports } = await setUp([found(ID, { isEnding: true })]);
  expect(directory.workers()).toEqual([]);
  expect(transports.all).toEqual([]);
});

test('another pod at the same address is another life: asked anew, on connections of its own', async () => {
  const { clock, directory, source, transports } = await setUp([found(ID)]);
  const before = directory.worker(ID)!.life;
  source.update([found(ID, { uid: 'another pod' })]);
  expect(directory.worker(ID)?.view.state).toBe('starting');
  await clock.advance(200);
  const worker = directory.worker(ID)!;
  expect(worker.view).toMatchObject({ state: 'ready', uid: 'another pod' });
  expect(worker.life).not.toBe(before);
  expect(transports.all.map(({ closed }) => closed)).toEqual([true, false]);
});

test('a worker that another source names from now on is the same worker', async () => {
  const { directory, source, seen } = await setUp([found(ID)]);
  seen.length = 0;
  source.update([found(ID, { source: 'dns vllm:8000', uid: null })]);
  expect(directory.worker(ID)?.view).toMatchObject({ state: 'ready', source: 'dns vllm:8000' });
  expect(seen).toEqual([`${ID}: ready -> ready`]);
});

test('an operator drains one that is found, and has no say over one that ends', async () => {
  const { clock, directory, source } = await setUp([found(ID), found(OTHER)]);
  expect(source.drain(ID).kind).toBe('accepted');
  expect(directory.worker(ID)?.view.state).toBe('drained');
  expect(source.undrain(ID).kind).toBe('accepted');
  await clock.advance(0);
  directory.worker(ID)!.inFlight = 1;
  source.update([found(ID, { isEnding: true }), found(OTHER)]);
  expect(source.drain(ID)).toMatchObject({ kind: 'conflict', message: expect.stringContaining('about to end') });
  expect(source.undrain(ID)).toMatchObject({ kind: 'conflict', message: expect.stringContaining('about to end') });
  expect(directory.worker(ID)?.view.state).toBe('draining');
});

test('one that an operator had drained before the process began is drained when it is found; an hour later its address may be another’s', async () => {
  const early = await setUp([], [ID]);
  early.source.update([found(ID)]);
  await early.clock.advance(0);
  expect(early.directory.worker(ID)?.view.state).toBe('drained');
  const late = await setUp([], [ID]);
  await late.clock.advance(3_600_000);
  late.source.update([found(ID)]);
  await late.clock.advance(0);
  expect(late.directory.worker(ID)?.view.state).toBe('ready');
});
