import { expect, test } from 'vitest';
import { createDirectory } from '../../../gateway/workers/directory.ts';
import { startListedSource } from '../../../gateway/workers/listed-source.ts';
import type { Well } from '../../../gateway/workers/look.ts';
import { lineOf, type WorkerListing } from '../../../gateway/workers/worker-listing.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { type FakeAnswers, fakeTransports, recordChanges, refused } from './worker-fixtures.ts';

const ID = 'one.test:8000';
const OK = { status: 200, body: '' };
const WELL: FakeAnswers = {
  '/health': OK,
  '/v1/models': { status: 200, body: JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] }) },
  '/version': { status: 200, body: '{"version":"0.32.0"}' },
};
const DOWN: FakeAnswers = { '/health': refused(), '/v1/models': refused() };
const SAID: Well = {
  models: [{ id: 'm', root: null, parent: null, maxModelLen: null }],
  version: '0.32.0',
  engine: 'vllm',
  startedAt: null,
  gateway: null,
  tellsPause: false,
};

const LISTING = { url: `http://${ID}`, apiKey: null, models: null, maxNumSeqs: 4 };
const LINE = lineOf(LISTING);

/** One process of a gateway: its list of one worker, and what it tells the others. */
function process(
  clock: FakeClock,
  answers: FakeAnswers,
  listing: WorkerListing = LISTING,
  tell = (_found: Well, _line: string): void => {},
) {
  const transports = fakeTransports(clock, { [ID]: answers });
  const { events } = recordChanges();
  const directory = createDirectory({ clock, events, models: [], createTransport: transports.create });
  const told: { readonly found: Well; readonly line: string; readonly state: string }[] = [];
  const view = () => directory.worker(ID)!.view;
  const source = startListedSource({
    ...{ clock, directory },
    workers: [listing],
    onWell(id, found, line) {
      if (id === ID) told.push({ found, line, state: view().state });
      tell(found, line);
    },
  });
  return { told, source, view, state: () => view().state, asked: () => transports.asked(ID).length, directory };
}

test('who finds a worker well says so once, before it shows it, and whoever hears it need not ask first', async () => {
  const clock = createFakeClock();
  const first = process(clock, WELL);
  const answers = { ...DOWN };
  const second = process(clock, answers);
  await clock.advance(0);
  expect(first.told).toEqual([{ found: SAID, line: LINE, state: 'starting' }]);
  expect([first.state(), second.told.length, second.state()]).toEqual(['ready', 0, 'starting']);
  const asked = second.asked();
  second.source.take(ID, first.told[0]!.found, LINE);
  expect(second.view()).toMatchObject({ state: 'ready', engine: 'vllm', engineVersion: '0.32.0', models: [{ id: 'm' }] });
  expect([second.asked(), second.told.length]).toEqual([asked, 0]);
  // From then on it goes by what it sees itself.
  await clock.advance(5_000);
  expect(second.state()).toBe('starting');
  Object.assign(answers, WELL);
  await clock.advance(60_000);
  expect([second.state(), second.told.length, first.told.length]).toEqual(['ready', 1, 1]);
});

test('what is wrong with its line is told with it', async () => {
  const clock = createFakeClock();
  const listing = { ...LISTING, models: ['other'] };
  const first = process(clock, WELL, listing);
  const second = process(clock, { ...DOWN }, listing);
  await clock.advance(0);
  second.source.take(ID, first.told[0]!.found, first.told[0]!.line);
  expect(second.view().lastFailure).toMatchObject({ class: 'wrong_models' });
});

test('what was asked before it was heard is no reason to doubt it', async () => {
  const clock = createFakeClock();
  const dead = { status: 503, body: '' };
  const { source, state } = process(clock, { '/v1/models': { afterMs: 100, answer: dead }, '/health': dead });
  await clock.advance(50);
  source.take(ID, SAID, LINE);
  await clock.advance(60);
  expect(state()).toBe('ready');
  // What is asked after it counts.
  await clock.advance(10_000);
  expect(state()).toBe('starting');
});

test.each(['drained', 'gone', 'listed otherwise', 'another at its address'] as const)(
  'of one that is %s it changes nothing',
  async (how) => {
    const clock = createFakeClock();
    const isOther = how === 'listed otherwise' || how === 'another at its address';
    const { source, directory } = process(clock, isOther ? DOWN : WELL, { ...LISTING, uid: 'pod-2' });
    await clock.advance(0);
    if (how === 'drained') source.drain(ID);
    if (how === 'gone') source.update([]);
    const before = directory.worker(ID)?.view;
    const line = lineOf({
      ...LISTING,
      uid: how === 'another at its address' ? 'pod-1' : 'pod-2',
      ...(how === 'listed otherwise' ? { engine: 'openai' } : {}),
    });
    source.take(ID, { ...SAID, models: [] }, line);
    expect(directory.worker(ID)?.view).toBe(before);
  },
);

test('it is known how a worker is when it has been asked once, another process has told, or it has left; and then it stands in the directory', async () => {
  for (const how of ['well', 'down', 'told', 'left'] as const) {
    const clock = createFakeClock();
    const { source, directory } = process(clock, how === 'well' ? WELL : how === 'down' ? DOWN : { '/v1/models': 'never' });
    let known: string | undefined | null = null;
    for (const ids of [null, [ID]]) {
      known = null;
      void source.known(ids).then(() => (known = directory.worker(ID)?.view.state));
      if (how === 'told' || how === 'left') {
        await clock.advance(100);
        if (ids === null) expect(known).toBe(null);
        if (how === 'told') source.take(ID, SAID, LINE);
        else source.update([]);
      }
      await clock.advance(0);
      expect(known).toBe({ well: 'ready', down: 'starting', told: 'ready', left: undefined }[how]);
    }
  }
});

test('who is asked for some waits for these alone', async () => {
  const clock = createFakeClock();
  const { source } = process(clock, { '/v1/models': 'never' });
  let known = false;
  void source.known(['another.test:8000']).then(() => (known = true));
  await clock.advance(0);
  expect(known).toBe(true);
});

test('a model that one finds at a worker that is ready sends the others to ask for it', async () => {
  const clock = createFakeClock();
  const answers: FakeAnswers = { ...WELL };
  const first = process(clock, answers);
  await clock.advance(2_000);
  const second = process(clock, answers);
  await clock.advance(0);
  answers['/v1/models'] = {
    status: 200,
    body: JSON.stringify({
      object: 'list',
      data: [
        { id: 'm', object: 'model' },
        { id: 'lora', object: 'model' },
      ],
    }),
  };
  await clock.advance(3_000);
  const names = ({ view }: typeof first) => view().models.map(({ id }) => id);
  expect([names(first), names(second)]).toEqual([['m', 'lora'], ['m']]);
  const { found, line } = first.told.at(-1)!;
  second.source.take(ID, found, line);
  await clock.advance(0);
  expect(names(second)).toEqual(['m', 'lora']);
  // What it has itself it does not ask for.
  const asked = first.asked();
  first.source.take(ID, second.told.at(-1)!.found, line);
  await clock.advance(0);
  expect([first.asked(), first.told.length, second.told.length]).toEqual([asked, 2, 2]);
});

test('where each look finds other models, in another order, or at another of several servers, no storm of questions comes of it', async () => {
  for (const isShuffled of [true, false]) {
    const clock = createFakeClock();
    let n = 0;
    const page = () => {
      n += 1;
      const ids = isShuffled ? (n % 2 === 0 ? ['a', 'b'] : ['b', 'a']) : [`m${n}`];
      return { status: 200, body: JSON.stringify({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) }) };
    };
    const answers: FakeAnswers = {
      ...WELL,
      get '/v1/models'() {
        return page();
      },
    };
    const all: ReturnType<typeof process>[] = [];
    for (let each = 0; each < 4; each++) {
      all.push(
        process(clock, answers, LISTING, (found, line) => all.forEach((other, i) => i !== each && other.source.take(ID, found, line))),
      );
      await clock.advance(100);
    }
    const before = all.reduce((sum, { asked }) => sum + asked(), 0);
    await clock.advance(60_000);
    const looks = (all.reduce((sum, { asked }) => sum + asked(), 0) - before) / 2;
    // Each looks every 5 s by itself, and asks again every 2 s at the most.
    expect(looks).toBeLessThan(4 * (12 + (isShuffled ? 1 : 31)) * 1.5);
  }
});

test('what stands only with one process goes to whoever comes later: who is drained, and who is kept', async () => {
  const clock = createFakeClock();
  const first = process(clock, WELL);
  await clock.advance(0);
  const other = { ...LISTING, url: 'http://other.test:8000' };
  first.source.update([other]);
  expect(first.source.standing()).toEqual({ ready: [ID], drained: [], kept: [LISTING] });
  const { events } = recordChanges();
  const createTransport = fakeTransports(clock, { [ID]: WELL, 'other.test:8000': DOWN }).create;
  const directory = createDirectory({ clock, events, models: [], createTransport });
  const later = startListedSource({ clock, directory, workers: [other], kept: [LISTING] });
  // A reload that comes before it has been asked is no reason to let it go.
  later.update([other]);
  await Promise.all([later.known([ID]), clock.advance(0)]);
  later.update([other]);
  expect(directory.readyFor('m').map(({ id }) => id)).toEqual([ID]);
  expect(later.standing().kept).toEqual([LISTING]);

  // An order that comes before the worker does holds for it for a minute, and so does the one that takes it back.
  await clock.advance(120_000);
  later.drain('late.test:8000');
  later.update([{ ...LISTING, url: 'http://late.test:8000' }]);
  expect([later.standing().drained, directory.worker('late.test:8000')!.view.state]).toEqual([['late.test:8000'], 'drained']);
  later.undrain('late.test:8000');
  expect(later.standing().drained).toEqual([]);
});
