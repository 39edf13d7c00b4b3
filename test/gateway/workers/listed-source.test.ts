import { expect, test } from 'vitest';
import type { ModelEntry, WorkerView } from '../../../gateway/core/worker.ts';
import { createDirectory, type LiveDirectory } from '../../../gateway/workers/directory.ts';
import { type ListedSource, startListedSource } from '../../../gateway/workers/listed-source.ts';
import type { WorkerListing } from '../../../gateway/workers/worker-listing.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type FakeAnswers, type FakeTransports, fakeTransports, recordChanges, refused } from './worker-fixtures.ts';

const ID = 'one.test:8000';
const OK = { status: 200, body: '' };

function listing(over: Partial<WorkerListing> = {}): WorkerListing {
  return { url: 'http://one.test:8000', apiKey: null, models: null, maxNumSeqs: 256, ...over };
}

function modelsPage(...ids: string[]): { status: number; body: string } {
  const data = ids.map((id) => ({ id, object: 'model', root: `/models/${id}`, parent: null, max_model_len: 256 }));
  return { status: 200, body: JSON.stringify({ object: 'list', data }) };
}

function well(...ids: string[]): FakeAnswers {
  return { '/health': OK, '/v1/models': modelsPage(...ids), '/version': { status: 200, body: '{"version":"0.28.0"}' } };
}

interface Scene {
  clock: FakeClock;
  transports: FakeTransports;
  directory: LiveDirectory;
  seen: string[];
  source: ListedSource;
  see(id?: string): WorkerView;
  /** Until the first look has been had. */
  settle(): Promise<void>;
}

function setUp(workers: readonly WorkerListing[], answers: Record<string, FakeAnswers> = {}): Scene {
  const clock = createFakeClock();
  const transports = fakeTransports(clock, answers);
  const { events, seen } = recordChanges();
  const directory = createDirectory({ clock, events, models: [], createTransport: transports.create });
  const source = startListedSource({ clock, directory, workers });
  const see = (id = ID): WorkerView => directory.worker(id)!.view;
  return { clock, transports, directory, seen, source, see, settle: () => clock.advance(0) };
}

function healthChecks({ transports }: Scene): number {
  return transports.asked(ID).filter((path) => path === '/health').length;
}

test('a worker becomes ready when it is healthy and has said what it serves', async () => {
  const scene = setUp([listing({ apiKey: 'k' })], { [ID]: well('tiny', 'lora') });
  expect(scene.see()).toMatchObject({ id: ID, url: 'http://one.test:8000', port: 8000, state: 'starting', models: [] });
  await scene.settle();
  expect(scene.see()).toMatchObject({ state: 'ready', stage: 'ready', maxNumSeqs: 256, engine: 'vllm', lastFailure: null });
  expect(scene.directory.resolve('tiny')).toMatchObject<Partial<ModelEntry>>({ root: '/models/tiny', maxModelLen: 256, state: 'ready' });
  expect(scene.directory.resolve('lora')?.state).toBe('ready');
  expect(scene.transports.all[0]!.target).toMatchObject({ apiKey: 'k' });
  expect(scene.source.versions()).toEqual(new Map([[ID, '0.28.0']]));
});

test('one whose models are listed is asked only once which engine it is, and they can be named before it is up', async () => {
  const scene = setUp([listing({ models: ['llama'] })], { [ID]: { '/health': refused() } });
  await scene.settle();
  expect(scene.directory.resolve(null)).toMatchObject({ id: 'llama', state: 'loading' });
  scene.transports.answers[ID] = { '/health': OK };
  await scene.clock.advance(500);
  expect(scene.see().state).toBe('ready');
  await scene.clock.advance(20_000);
  expect(scene.see().models.map(({ id }) => id)).toEqual(['llama']);
  // Once in vain while nobody listened, and once since.
  expect(scene.transports.asked(ID).filter((path) => path === '/v1/models')).toHaveLength(2);
});

test('one that has told a call that it lacks its model is asked for its models at once, and not again for two seconds', async () => {
  const scene = setUp([listing()], { [ID]: well('tiny') });
  await scene.settle();
  const lists = () => scene.transports.asked(ID).filter((path) => path === '/v1/models').length;
  const before = lists();
  scene.transports.answers[ID] = well('other');
  for (let i = 0; i < 10; i++) scene.source.askModels(ID);
  await scene.settle();
  expect(lists()).toBe(before + 1);
  expect(scene.see().models.map(({ id }) => id)).toEqual(['other']);
  await scene.clock.advance(1_999);
  scene.source.askModels(ID);
  await scene.settle();
  expect(lists()).toBe(before + 1);
  await scene.clock.advance(1);
  scene.source.askModels(ID);
  await scene.settle();
  expect(lists()).toBe(before + 2);
  scene.source.askModels('unknown');
});

test('one whose models are listed is asked as well, and stays as ready as it is: its line is said to be wrong', async () => {
  const scene = setUp([listing({ models: ['tiny'] })], { [ID]: well('tiny') });
  await scene.settle();
  scene.transports.answers[ID] = well('other');
  scene.source.askModels(ID);
  await scene.settle();
  expect(scene.see()).toMatchObject({ state: 'ready', models: [{ id: 'tiny' }], lastFailure: { class: 'wrong_models' } });
});

test('what a look had read before the call was told does not count: it is followed by another', async () => {
  const scene = setUp([listing()], { [ID]: well('tiny') });
  await scene.settle();
  scene.transports.answers[ID] = { ...well('tiny'), '/v1/models': { afterMs: 100, answer: modelsPage('tiny') } };
  await scene.clock.advance(5_000);
  scene.transports.answers[ID] = well('other');
  scene.source.askModels(ID);
  await scene.clock.advance(100);
  expect(scene.see().models.map(({ id }) => id)).toEqual(['other']);
});

test.each([
  ['a wrong key', { '/health': OK, '/v1/models': { status: 401, body: '{}' } }, 'answers /v1/models with status 401'],
  ['no models', { '/health': OK, '/v1/models': modelsPage() }, 'names no models at /v1/models'],
  ['a page that is no list', { '/health': OK, '/v1/models': { status: 200, body: '<html>' } }, 'names no models at /v1/models'],
  [
    'cards without ids',
    { '/health': OK, '/v1/models': { status: 200, body: '{"data":[null,7,{"id":""}]}' } },
    'names no models at /v1/models',
  ],
  ['nobody listening', { '/health': refused() }, 'refuses connections'],
  ['silence', { '/health': 'never' }, 'does not answer /health'],
] as const)('%s keeps it from becoming ready, and the operator is told why', async (_what, answers, message) => {
  const scene = setUp([listing()], { [ID]: answers });
  await scene.clock.advance(5000);
  expect(scene.see().state).toBe('starting');
  expect(scene.see().lastFailure).toMatchObject({ phase: 'starting', message: `http://one.test:8000 ${message}.` });
});

test('a server without /version is as welcome', async () => {
  const scene = setUp([listing()], { [ID]: { '/health': OK, '/v1/models': modelsPage('m') } });
  await scene.settle();
  expect(scene.see()).toMatchObject({ state: 'ready', engine: null });
});

test('the simulated engine is told from vLLM by the mark in its version', async () => {
  const scene = setUp([listing()], { [ID]: { ...well('m'), '/version': { status: 200, body: '{"version":"0.29.0+sim"}' } } });
  await scene.settle();
  expect(scene.see().engine).toBe('sim');
});

test('while it is down it is asked after 0.5, 1, 2, 4 and then every 5 s, and the same trouble is told once', async () => {
  const scene = setUp([listing()], { [ID]: { '/health': refused() } });
  await scene.settle();
  const at: number[] = [];
  const start = scene.clock.now();
  for (let step = 0; step < 180; step += 1) {
    const before = healthChecks(scene);
    await scene.clock.advance(100);
    if (healthChecks(scene) > before) at.push(scene.clock.now() - start);
  }
  expect(at).toEqual([500, 1500, 3500, 7500, 12_500, 17_500]);
  expect(scene.seen).toEqual([`${ID}: new -> starting`, `${ID}: starting -> starting`]);
});

test('refused connections and a dead engine cost it its readiness at once', async () => {
  for (const sight of ['refused', 'dead'] as const) {
    const scene = setUp([listing()], { [ID]: well('m') });
    await scene.settle();
    scene.source.observe(ID, sight);
    expect(scene.see()).toMatchObject({ state: 'starting', models: [{ id: 'm' }], lastFailure: { phase: 'serving' } });
    expect(scene.directory.readyFor('m')).toEqual([]);
    await scene.clock.advance(500);
    expect(scene.see().state).toBe('ready');
  }
});

test('three misses in a row do too, but not three with an answer between them', async () => {
  const scene = setUp([listing()], { [ID]: well('m') });
  await scene.settle();
  for (const sight of ['missed', 'missed', 'answered', 'missed', 'missed'] as const) scene.source.observe(ID, sight);
  expect(scene.see().state).toBe('ready');
  scene.source.observe(ID, 'missed');
  expect(scene.see().state).toBe('starting');

  await scene.clock.advance(500);
  scene.source.observe(ID, 'missed');
  expect(scene.see().state).toBe('ready');
});

test('a dead engine behind a living front is found by its health within 5 s', async () => {
  const scene = setUp([listing()], { [ID]: well('m') });
  await scene.settle();
  scene.transports.answers[ID] = { ...well('m'), '/health': { status: 503, body: '' } };
  await scene.clock.advance(5000);
  expect(scene.see()).toMatchObject({ state: 'starting', lastFailure: { class: 'engine_dead' } });
});

test('a health check that goes wrong now and then is forgiven, three in a row are not', async () => {
  const scene = setUp([listing()], { [ID]: well('m') });
  await scene.settle();
  const ill = { ...well('m'), '/health': { status: 500, body: '' } };
  for (const answers of [ill, ill, well('m'), ill, ill]) {
    scene.transports.answers[ID] = answers;
    await scene.clock.advance(5000);
    expect(scene.see().state).toBe('ready');
  }
  await scene.clock.advance(5000);
  expect(scene.see().state).toBe('starting');
});

test('models that a ready worker takes on later are found', async () => {
  const scene = setUp([listing()], { [ID]: well('m') });
  await scene.settle();
  scene.transports.answers[ID] = well('m', 'adapter');
  await scene.clock.advance(5000);
  expect(scene.directory.resolve('adapter')?.state).toBe('ready');
  expect(scene.seen).toHaveLength(3);
});

test('workers at one host and port get names of their own, and the path of a url is dropped', () => {
  const { directory } = setUp([
    listing({ url: 'http://one.test:8000/v1/' }),
    listing(),
    listing({ url: 'https://two.test' }),
    listing({ url: 'http://[::1]' }),
  ]);
  expect(directory.workers().map(({ view }) => [view.id, view.url, view.port])).toEqual([
    [ID, 'http://one.test:8000', 8000],
    [`${ID}-2`, 'http://one.test:8000', 8000],
    ['two.test:443', 'https://two.test:443', 443],
    ['[::1]:80', 'http://[::1]:80', 80],
  ]);
});

test('a new list leaves unchanged workers alone, drops those not in it and asks the new ones', async () => {
  const two = listing({ url: 'http://two.test:1' });
  const three = listing({ url: 'http://three.test:1' });
  const answers = { [ID]: well('m'), 'two.test:1': well('m'), 'three.test:1': well('n') };
  const scene = setUp([listing(), two], answers);
  await scene.settle();
  const kept = scene.directory.worker('two.test:1')!;
  const asked = scene.transports.asked('two.test:1').length;
  scene.source.update([three, { ...two }]);
  await scene.settle();
  expect(scene.directory.workers().map(({ id, view }) => [id, view.state])).toEqual([
    ['three.test:1', 'ready'],
    ['two.test:1', 'ready'],
  ]);
  expect(scene.directory.worker('two.test:1')).toBe(kept);
  expect(scene.transports.asked('two.test:1')).toHaveLength(asked);
  const before = healthChecks(scene);
  await scene.clock.advance(30_000);
  expect(healthChecks(scene)).toBe(before);
});

test('a changed line keeps the worker ready while it is asked again', async () => {
  const scene = setUp([listing()], { [ID]: well('m') });
  await scene.settle();
  const { life } = scene.directory.worker(ID)!;
  await scene.clock.advance(100);
  scene.source.update([listing({ apiKey: 'new', maxNumSeqs: 8, scheduling: 'priority' })]);
  expect(scene.directory.worker(ID)).toMatchObject({ view: { state: 'ready', maxNumSeqs: 8, scheduling: 'priority' } });
  expect(scene.directory.worker(ID)!.life).toBe(life);
  await scene.settle();
  expect(scene.transports.all.at(-1)).toMatchObject({ target: { apiKey: 'new' }, asked: ['/health', '/v1/models'] });
});

test('an answer that comes after the line was changed is not believed', async () => {
  const scene = setUp([listing({ models: ['old'] })], { [ID]: { '/health': { afterMs: 1000, answer: OK } } });
  await scene.clock.advance(500);
  scene.source.update([listing({ models: ['new'] })]);
  await scene.clock.advance(500);
  expect(scene.see()).toMatchObject({ state: 'starting', models: [{ id: 'new' }] });
  await scene.clock.advance(1000);
  expect(scene.see()).toMatchObject({ state: 'ready', models: [{ id: 'new' }] });
});

test('nothing is asked or written after close', async () => {
  const scene = setUp([listing()], { [ID]: { ...well('m'), '/health': { afterMs: 100, answer: OK } } });
  await scene.clock.advance(50);
  scene.source.close();
  await scene.clock.advance(60_000);
  expect(scene.see().state).toBe('starting');
  expect(scene.clock.pending).toBe(0);
});

test('what could not be looked at for want of something of our own costs a worker nothing', async () => {
  const scene = setUp([listing()], { [ID]: well('tiny') });
  await scene.settle();
  const full = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' });
  scene.transports.answers[ID] = { '/health': full };
  for (let i = 0; i < 5; i++) scene.source.observe(ID, 'unseen');
  await scene.clock.advance(60_000);
  expect(healthChecks(scene)).toBeGreaterThan(5);
  expect(scene.see()).toMatchObject({ state: 'ready', lastFailure: null });
});

test('a worker that could never be looked at is not blamed for it', async () => {
  const full = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' });
  const scene = setUp([listing()], { [ID]: { '/health': full } });
  await scene.settle();
  expect(scene.see()).toMatchObject({
    state: 'starting',
    lastFailure: { class: 'not_looked_at', message: expect.stringMatching(/could not be asked/), advice: expect.stringMatching(/ulimit/) },
  });
});

const metricsPage = (awake: 0 | 1, started = 1_000) => ({
  status: 200,
  body: `vllm:num_requests_running 0\nvllm:engine_sleep_state{engine="0",sleep_state="awake"} ${awake}.0\nvllm:engine_sleep_state{engine="0",sleep_state="weights_offloaded"} ${1 - awake}.0\nprocess_start_time_seconds ${started}\n`,
});
const paused = (is: boolean) => ({ status: 200, body: JSON.stringify({ is_paused: is }) });

test('a worker that is asleep when it is first seen is not ready until it is awake', async () => {
  const answers = well('tiny');
  answers['/metrics'] = metricsPage(0);
  const scene = setUp([listing()], { [ID]: answers });
  await scene.settle();
  expect(scene.see()).toMatchObject({
    state: 'starting',
    lastFailure: { class: 'asleep', advice: expect.stringContaining('/wake_up') as string },
  });
  answers['/metrics'] = metricsPage(1);
  await scene.clock.advance(5_000);
  expect(scene.see()).toMatchObject({ state: 'ready' });
});

test('one that is seen to fall asleep leaves service at once, and one that is paused with the next look', async () => {
  const answers = well('tiny');
  answers['/metrics'] = metricsPage(1);
  answers['/is_paused'] = paused(false);
  const scene = setUp([listing()], { [ID]: answers });
  await scene.settle();
  answers['/metrics'] = metricsPage(0);
  scene.source.observe(ID, 'asleep');
  expect(scene.see()).toMatchObject({ state: 'starting', lastFailure: { class: 'asleep' } });
  answers['/metrics'] = metricsPage(1);
  await scene.clock.advance(5_000);
  expect(scene.see().state).toBe('ready');
  answers['/is_paused'] = paused(true);
  await scene.clock.advance(5_000);
  expect(scene.see()).toMatchObject({
    state: 'starting',
    lastFailure: { class: 'paused', advice: expect.stringContaining('/resume') as string },
  });
  answers['/is_paused'] = paused(false);
  await scene.clock.advance(5_000);
  expect(scene.see().state).toBe('ready');
});

test('a server that cannot be paused is asked about it once', async () => {
  const answers = well('tiny');
  answers['/is_paused'] = { status: 404, body: '{"detail":"Not Found"}' };
  const scene = setUp([listing()], { [ID]: answers });
  await scene.settle();
  await scene.clock.advance(60_000);
  expect(scene.transports.asked(ID).filter((path) => path === '/is_paused')).toHaveLength(1);
});

test('one that is about to end is not ready again until it is another process, however well it is', async () => {
  const answers = well('tiny');
  answers['/metrics'] = metricsPage(1);
  const scene = setUp([listing()], { [ID]: answers });
  await scene.settle();
  scene.source.observe(ID, 'stopping');
  await scene.clock.advance(300_000);
  expect(scene.see()).toMatchObject({ state: 'starting', lastFailure: { class: 'stopping' } });
  // What it still has is watched by its metrics.
  expect(scene.source.scrapes(scene.directory.worker(ID)!)).toBe(true);
  answers['/metrics'] = metricsPage(1, 2_000);
  await scene.clock.advance(5_000);
  expect(scene.see().state).toBe('ready');
});

test('nor before it was gone for a moment, or half a minute is over, where it does not tell its processes apart', async () => {
  const scene = setUp([listing()], { [ID]: well('tiny') });
  await scene.settle();
  scene.source.observe(ID, 'stopping');
  await scene.clock.advance(24_000);
  expect(scene.see().state).toBe('starting');
  await scene.clock.advance(12_000);
  expect(scene.see().state).toBe('ready');
  scene.source.observe(ID, 'stopping');
  scene.transports.answers[ID]!['/health'] = refused();
  await scene.clock.advance(5_000);
  scene.transports.answers[ID]!['/health'] = OK;
  await scene.clock.advance(6_000);
  expect(scene.see().state).toBe('ready');
});

test('what a crowd of workers brings is written in a few goes, what one of them loses at once', async () => {
  const hosts = Array.from({ length: 60 }, (_, n) => `w${n}.test:8000`);
  const time = createFakeClock();
  let spentMs = 0;
  const clock: FakeClock = { ...time, now: () => time.now() + spentMs };
  const transports = fakeTransports(clock, Object.fromEntries(hosts.map((host) => [host, well('tiny', 'lora')])));
  const directory = createDirectory({ clock, events: recordChanges().events, models: [], createTransport: transports.create });
  let goes = 0;
  const apply: LiveDirectory['apply'] = (...all) => {
    goes += 1;
    spentMs += 5;
    directory.apply(...all);
  };
  const source = startListedSource({
    clock,
    directory: { ...directory, apply },
    workers: hosts.map((host) => listing({ url: `http://${host}` })),
  });
  const ready = () => directory.readyFor('tiny').length;
  await time.advance(0);
  expect(ready()).toBeLessThan(hosts.length);
  await time.advance(250);
  expect([ready(), goes < 10]).toEqual([hosts.length, true]);
  const before = goes;
  for (const id of hosts.slice(0, 5)) source.observe(id, 'refused');
  expect([ready(), goes - before]).toEqual([hosts.length - 5, 5]);
  source.close();
});
