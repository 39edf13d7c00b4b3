import { describe, expect, test } from 'vitest';
import type { LiveDirectory } from '../../../gateway/workers/directory.ts';
import { createDirectory } from '../../../gateway/workers/directory.ts';
import type { ConfiguredModel } from '../../../gateway/workers/model-list.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type FakeTransports, fakeTransports, recordChanges, served, view } from './worker-fixtures.ts';

function setUp(models: readonly ConfiguredModel[] = []): {
  clock: FakeClock;
  transports: FakeTransports;
  directory: LiveDirectory;
  seen: string[];
  notices: () => number;
} {
  const clock = createFakeClock();
  const transports = fakeTransports(clock);
  const { events, seen } = recordChanges();
  const directory = createDirectory({ clock, events, models, createTransport: transports.create, retireLimitMs: () => 1000 });
  let count = 0;
  directory.onChange(() => {
    count += 1;
  });
  return { clock, transports, directory, seen, notices: () => count };
}

function ids(items: readonly { readonly id: string }[]): string[] {
  return items.map((item) => item.id);
}

describe('workers', () => {
  test('a worker stays the same object, with its load and calls, through every change of its view', async () => {
    const { clock, directory } = setUp();
    directory.apply([view('a')]);
    const [worker] = directory.workers();
    worker!.inFlight = 3;
    worker!.load.waiting = 7;
    const since = clock.now();
    await clock.advance(500);
    directory.apply([view('b'), view('a', { restarts: 1 })]);
    expect(directory.worker('a')).toBe(worker);
    expect(worker).toMatchObject({ inFlight: 3, life: { since }, view: { restarts: 1 }, load: { waiting: 7 } });
    expect(ids(directory.workers())).toEqual(['b', 'a']);
  });

  test('it has been ready since it last became so, and a restart that was not seen counts as a break', async () => {
    const { clock, directory } = setUp();
    directory.apply([view('a', { state: 'warming', pid: 1 })]);
    const worker = directory.worker('a')!;
    expect(worker.life).toBeNull();
    await clock.advance(10);
    directory.apply([view('a', { pid: 1 })]);
    expect(worker.life?.since).toBe(clock.now());
    worker.load.scrapedAt = clock.now();
    await clock.advance(10);
    directory.apply([view('a', { pid: 2 })]);
    expect(worker.life?.since).toBe(clock.now());
    expect(worker.load.scrapedAt).toBeNull();
    directory.apply([view('a', { state: 'backoff', pid: null })]);
    expect(worker.life).toBeNull();
  });

  test('it is known to stand still while its supervisor has it out of service for that, and for nothing else', () => {
    const { directory } = setUp();
    const stalled = { class: 'stalled', phase: 'serving', message: '', advice: '', at: '2026-01-01T00:00:00.000Z' };
    const states = [
      [{ state: 'ready' }, false],
      [{ state: 'draining', lastFailure: stalled }, true],
      [{ state: 'draining', lastFailure: stalled, restarts: 0 }, true],
      [{ state: 'ready', lastFailure: stalled }, false],
      // By somebody's wish; the failure is an old one.
      [{ state: 'draining', lastFailure: stalled }, false],
      [{ state: 'ready', lastFailure: stalled }, false],
      [{ state: 'draining', lastFailure: { ...stalled, at: '2026-01-02T00:00:00.000Z' } }, true],
      [{ state: 'stopping' }, true],
      [{ state: 'ready', pid: 2 }, false],
    ] as const;
    for (const [over, isStill] of states) {
      directory.apply([view('a', over)]);
      expect([over.state, directory.worker('a')!.load.withheldAt !== null]).toEqual([over.state, isStill]);
    }
  });

  test('the end of a life is told with its class when its supervisor says so, which may be after it was seen', () => {
    const { directory } = setUp();
    const failure = (name: string, day: number) => ({
      class: name,
      phase: 'serving',
      message: '',
      advice: '',
      at: `2026-01-0${day}T00:00:00.000Z`,
    });
    directory.apply([view('a', { pid: 1, lastFailure: failure('crash', 1) })]);
    const worker = directory.worker('a')!;
    const first = worker.life!;
    directory.apply([view('a', { pid: 1, state: 'starting', lastFailure: failure('crash', 1) })]);
    expect(first.endedBy).toBeUndefined();
    directory.apply([view('a', { pid: null, state: 'backoff', lastFailure: failure('killed', 2) })]);
    expect(first.endedBy).toBe('killed');
    directory.apply([view('a', { pid: 2, lastFailure: failure('killed', 2) })]);
    const second = worker.life!;
    // Another life, whose beginning and end nobody saw.
    directory.apply([view('a', { pid: 3, lastFailure: failure('stopped', 3) })]);
    expect([first.endedBy, second.endedBy, worker.life!.endedBy]).toEqual(['killed', 'stopped', undefined]);
  });

  test('only ready workers that serve the model are asked, and the answer is the same array until something changes', () => {
    const { directory } = setUp();
    const two = [served('m'), served('lora')];
    directory.apply([view('a'), view('b', { models: two }), view('c', { state: 'starting' })]);
    expect(ids(directory.readyFor('m'))).toEqual(['a', 'b']);
    expect(ids(directory.readyFor('lora'))).toEqual(['b']);
    expect(directory.readyFor('nothing')).toEqual([]);
    expect(directory.readyFor('m')).toBe(directory.readyFor('m'));
    directory.apply([view('a', { state: 'draining' }), view('b', { models: two })]);
    expect(ids(directory.readyFor('m'))).toEqual(['b']);
  });
});

describe('changes', () => {
  test('one apply gives one notice however much it changes, and none when nothing did', () => {
    const { directory, seen, notices } = setUp();
    directory.apply([view('a'), view('b', { state: 'starting' })]);
    expect(notices()).toBe(1);
    directory.apply([view('a'), view('b', { state: 'starting' })]);
    expect(notices()).toBe(1);
    directory.apply([view('b')]);
    expect(notices()).toBe(2);
    expect(seen).toEqual(['a: new -> ready', 'b: new -> starting', 'b: starting -> ready', 'a: ready -> stopping']);
  });

  test('another order is a change that listeners hear of, but nothing that happened to a worker', () => {
    const { directory, seen, notices } = setUp();
    directory.apply([view('a'), view('b')]);
    directory.apply([view('b'), view('a')]);
    expect(notices()).toBe(2);
    expect(seen).toHaveLength(2);
  });

  test('a mere estimate updates the models but is no event of the worker', () => {
    const { directory, seen, notices } = setUp();
    directory.apply([view('a', { state: 'starting', etaSeconds: 90 })]);
    directory.apply([view('a', { state: 'starting', etaSeconds: 85 })]);
    expect(seen).toHaveLength(1);
    expect(notices()).toBe(2);
    expect(directory.resolve('m')?.etaSeconds).toBe(85);
  });

  test('a listener that was taken off hears no more', () => {
    const { directory } = setUp();
    let heard = 0;
    const off = directory.onChange(() => {
      heard += 1;
    });
    directory.apply([view('a')]);
    off();
    directory.apply([]);
    expect(heard).toBe(1);
  });
});

describe('transports', () => {
  test('one is made per worker when it is first needed, with its key', () => {
    const { directory, transports } = setUp();
    directory.apply([view('a')], undefined, new Map([['a', 'secret']]));
    expect(transports.all).toHaveLength(0);
    const worker = directory.worker('a')!;
    expect(worker.transport).toBe(worker.transport);
    expect(transports.all.map((transport) => transport.target)).toEqual([{ id: 'a', url: 'http://a.test:8000', apiKey: 'secret' }]);
    expect(JSON.stringify(worker.view)).not.toContain('secret');
  });

  test('that of a worker that leaves is closed when its last call has ended, not before', async () => {
    const { clock, directory, transports } = setUp();
    directory.apply([view('a')]);
    const worker = directory.worker('a')!;
    worker.inFlight = 1;
    expect(worker.transport).toBe(transports.all[0]);
    directory.apply([]);
    await clock.advance(500);
    expect(transports.all[0]!.closed).toBe(false);
    worker.inFlight = 0;
    await clock.advance(100);
    expect(transports.all[0]!.closed).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('a call that never ends holds it up only until the limit', async () => {
    const { clock, directory, transports } = setUp();
    directory.apply([view('a')]);
    const worker = directory.worker('a')!;
    worker.inFlight = 1;
    expect(worker.transport).toBeDefined();
    directory.apply([]);
    await clock.advance(900);
    expect(transports.all[0]!.closed).toBe(false);
    await clock.advance(100);
    expect(transports.all[0]!.closed).toBe(true);
  });

  test('a worker that comes back while calls of its run is taken up again, transport and all', async () => {
    const { clock, directory, transports } = setUp();
    directory.apply([view('a')]);
    const worker = directory.worker('a')!;
    worker.inFlight = 2;
    const { transport } = worker;
    directory.apply([]);
    await clock.advance(200);
    directory.apply([view('a')]);
    worker.inFlight = 0;
    await clock.advance(5000);
    expect(directory.worker('a')).toBe(worker);
    expect(worker.transport).toBe(transport);
    expect(transports.all).toHaveLength(1);
    expect(transports.all[0]!.closed).toBe(false);
  });

  test('a new address, key or size gets a new one, and the old one closes by itself', async () => {
    const { clock, directory, transports } = setUp();
    directory.apply([view('a')]);
    const worker = directory.worker('a')!;
    const first = worker.transport;
    directory.apply([view('a', { url: 'http://a.test:9000' })]);
    expect(worker.transport).not.toBe(first);
    directory.apply([view('a', { url: 'http://a.test:9000' })], undefined, new Map([['a', 'key']]));
    expect(worker.transport).toBe(transports.all[2]);
    await clock.advance(100);
    expect(transports.all.map((transport) => transport.closed)).toEqual([true, true, false]);
  });

  test('a call that picked the worker just before it left gets a transport that is closed after it', async () => {
    const { clock, directory, transports } = setUp();
    directory.apply([view('a')]);
    const worker = directory.worker('a')!;
    directory.apply([]);
    await clock.advance(1000);
    expect(worker.transport).toBe(transports.all[0]);
    await clock.advance(100);
    expect(transports.all[0]!.closed).toBe(true);
  });

  test('close ends them all at once and leaves no timer', async () => {
    const { clock, directory, transports } = setUp();
    directory.apply([view('a'), view('b')]);
    for (const worker of directory.workers()) {
      worker.inFlight = 1;
      expect(worker.transport).toBeDefined();
    }
    directory.apply([view('a')]);
    await directory.close();
    expect(transports.all.map((transport) => transport.closed)).toEqual([true, true]);
    expect(clock.pending).toBe(0);
  });
});

describe('models', () => {
  const configured: ConfiguredModel[] = [
    { id: 'big', aliases: ['gpt-4o', 'default'] },
    { id: 'small', aliases: ['gpt-4o-mini', 'big'], capabilities: ['chat'] },
  ];
  const supervised = [
    { id: 'small', aliases: ['tiny', 'gpt-4o-mini'], source: 'org/small', capabilities: ['vision'], maxModelLen: 4096 },
    { id: 'extra', aliases: ['gpt-4o', 'x'], source: 'org/extra', capabilities: ['chat', 'tools'], maxModelLen: 8192 },
  ];

  test('come from the settings, the supervisor and the workers, in that order; the first is the default', () => {
    const { directory } = setUp(configured);
    directory.apply([view('a', { models: [served('found', { root: '/w', parent: 'small', maxModelLen: 256 })] })], supervised);
    expect(ids(directory.models())).toEqual(['big', 'small', 'extra', 'found']);
    expect(directory.resolve(null)?.id).toBe('big');
    expect(directory.resolve('found')).toMatchObject({ root: '/w', parent: 'small', maxModelLen: 256, state: 'ready' });
    expect(directory.resolve('extra')).toMatchObject({ maxModelLen: 8192, state: 'available', capabilities: ['chat', 'tools'] });
    expect(directory.resolve('small')).toMatchObject({ aliases: ['gpt-4o-mini', 'big', 'tiny'], capabilities: ['chat'] });
  });

  test('are found by id before alias, and by the alias that was listed first', () => {
    const { directory } = setUp(configured);
    directory.apply([], supervised);
    expect(directory.resolve('big')?.id).toBe('big');
    expect(directory.resolve('gpt-4o')?.id).toBe('big');
    expect(directory.resolve('tiny')?.id).toBe('small');
    expect(directory.resolve('x')?.id).toBe('extra');
    for (const name of ['', 'nobody', '__proto__', 'constructor', 'toString']) expect(directory.resolve(name)).toBeNull();
  });

  test('are found by their root too, where nothing else has that name', () => {
    const { directory } = setUp([{ id: 'small', aliases: ['org/b'] }]);
    directory.apply([view('a', { models: [served('small', { root: 'org/a' }), served('big', { root: 'org/b' })] })]);
    expect(directory.resolve('org/a')?.id).toBe('small');
    expect(directory.resolve('org/b')?.id).toBe('small');
  });

  test('there is no default where there are no models', () => {
    expect(setUp().directory.resolve(null)).toBeNull();
  });

  test.each([
    ['available', []],
    ['available', ['idle', 'stopping', 'draining']],
    ['failed', ['failed', 'idle']],
    ['loading', ['failed', 'starting']],
    ['loading', ['warming']],
    ['loading', ['backoff']],
    ['ready', ['failed', 'starting', 'ready']],
  ] as const)('are %s when their workers are %j', (state, states) => {
    const { directory } = setUp([{ id: 'm', aliases: [] }]);
    directory.apply(states.map((each, index) => view(`w${index}`, { state: each })));
    expect(directory.resolve('m')?.state).toBe(state);
  });

  test('that no worker has are as the supervisor says, and can be loaded if it says so', () => {
    const { directory } = setUp();
    const model = { id: 'n', aliases: [], source: 's', capabilities: [], maxModelLen: null };
    const told = (load: object) => {
      directory.apply([view('a')], [{ ...model, ...load }]);
      return directory.resolve('n');
    };
    expect(told({})).toMatchObject({ state: 'available', loadable: false, etaSeconds: null });
    expect(told({ state: 'available', loadable: true, etaSeconds: 40 })).toMatchObject({
      state: 'available',
      loadable: true,
      etaSeconds: 40,
    });
    expect(told({ state: 'loading', loadable: true, etaSeconds: 9 })).toMatchObject({ state: 'loading', loadable: true, etaSeconds: 9 });
    expect(told({ state: 'failed', loadable: false, etaSeconds: null })).toMatchObject({ state: 'failed', loadable: false });
    // Its worker has gone out of sight, and the supervisor has yet to notice.
    expect(told({ state: 'ready', loadable: true, etaSeconds: null })).toMatchObject({ state: 'available', loadable: true });
  });

  test('promise only the context that every ready replica has, and the soonest start', () => {
    const { directory } = setUp();
    const long = [served('m', { maxModelLen: 8192 })];
    const short = [served('m', { maxModelLen: 2048 })];
    directory.apply([
      view('a', { models: long }),
      view('b', { models: short }),
      view('c', { state: 'failed', models: [served('m', { maxModelLen: 1 })] }),
    ]);
    expect(directory.resolve('m')).toMatchObject({ maxModelLen: 2048, etaSeconds: null });
    directory.apply([
      view('a', { state: 'starting', etaSeconds: 50, models: long }),
      view('b', { state: 'warming', etaSeconds: 20, models: long }),
      view('c', { state: 'starting', etaSeconds: null }),
    ]);
    expect(directory.resolve('m')).toMatchObject({ maxModelLen: 8192, etaSeconds: 20 });
  });

  test('keep the time at which they were first seen, even when they come and go', async () => {
    const { clock, directory } = setUp();
    directory.apply([view('a')]);
    const created = directory.resolve('m')!.created;
    expect(created).toBe(Math.floor(clock.wall() / 1000));
    await clock.advance(60_000);
    directory.apply([]);
    expect(directory.resolve('m')).toBeNull();
    directory.apply([view('a')]);
    expect(directory.resolve('m')?.created).toBe(created);
  });

  test('follow the settings when they are reloaded, with a notice only for a change', () => {
    const { directory, notices } = setUp(configured);
    directory.setModels([...configured]);
    expect(notices()).toBe(0);
    directory.setModels([{ id: 'small', aliases: ['new'] }]);
    expect(notices()).toBe(1);
    expect(directory.resolve(null)?.id).toBe('small');
    expect(directory.resolve('new')?.id).toBe('small');
    expect(directory.resolve('gpt-4o')).toBeNull();
  });

  test("keep the supervisor's list from one apply to the next that brings none", () => {
    const { directory } = setUp();
    directory.apply([], supervised);
    directory.apply([view('a')]);
    expect(ids(directory.models())).toEqual(['small', 'extra', 'm']);
  });
});
