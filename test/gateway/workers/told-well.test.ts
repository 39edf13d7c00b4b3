import { expect, test } from 'vitest';
import { createDirectory } from '../../../gateway/workers/directory.ts';
import { startListedSource } from '../../../gateway/workers/listed-source.ts';
import type { Well } from '../../../gateway/workers/look.ts';
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
  tellsPause: false,
};

/** One process of a gateway: its list of one worker, and what it tells the others. */
function process(clock: FakeClock, answers: FakeAnswers) {
  const transports = fakeTransports(clock, { [ID]: answers });
  const { events } = recordChanges();
  const directory = createDirectory({ clock, events, models: [], createTransport: transports.create });
  const told: Well[] = [];
  const source = startListedSource({
    ...{ clock, directory },
    workers: [{ url: `http://${ID}`, apiKey: null, models: null, maxNumSeqs: 4 }],
    onWell: (id, found) => void (id === ID && told.push(found)),
  });
  return { told, source, state: () => directory.worker(ID)!.view.state, asked: () => transports.asked(ID).length, directory };
}

test('who finds a worker well says so once, and whoever hears it need not ask first', async () => {
  const clock = createFakeClock();
  const first = process(clock, WELL);
  const answers = { ...DOWN };
  const second = process(clock, answers);
  await clock.advance(0);
  expect([first.told.length, second.told.length, second.state()]).toEqual([1, 0, 'starting']);
  const asked = second.asked();
  second.source.take(ID, first.told[0]!);
  expect(second.state()).toBe('ready');
  expect(second.directory.worker(ID)!.view).toMatchObject({ engine: 'vllm', engineVersion: '0.32.0', models: [{ id: 'm' }] });
  expect([second.asked(), second.told.length]).toEqual([asked, 0]);
  // From then on it goes by what it sees itself.
  await clock.advance(5_000);
  expect(second.state()).toBe('starting');
  Object.assign(answers, WELL);
  await clock.advance(60_000);
  expect([second.state(), second.told.length, first.told.length]).toEqual(['ready', 1, 1]);
});

test('what was asked before it was heard is no reason to doubt it', async () => {
  const clock = createFakeClock();
  const answers: FakeAnswers = {
    ...DOWN,
    '/v1/models': { afterMs: 100, answer: { status: 503, body: '' } },
    '/health': { status: 503, body: '' },
  };
  const { source, state } = process(clock, answers);
  await clock.advance(50);
  source.take(ID, SAID);
  expect(state()).toBe('ready');
  Object.assign(answers, WELL);
  await clock.advance(100);
  expect(state()).toBe('ready');
});

test.each(['drained', 'ready', 'gone'] as const)('of one that is %s it changes nothing', async (how) => {
  const clock = createFakeClock();
  const { source, directory, state } = process(clock, WELL);
  await clock.advance(0);
  if (how === 'drained') source.drain(ID);
  if (how === 'gone') source.update([]);
  const before = directory.worker(ID)?.view;
  source.take(ID, { ...SAID, models: [] });
  expect(directory.worker(ID)?.view).toBe(before);
  if (how !== 'gone') expect(state()).toBe(how);
});

test('it is known how a worker is when it has been asked once, whatever came of that, or has left', async () => {
  for (const answers of [WELL, DOWN, { '/v1/models': 'never' } as const]) {
    const clock = createFakeClock();
    const { source } = process(clock, answers);
    let known = false;
    void source.known().then(() => (known = true));
    if (answers !== WELL && answers !== DOWN) {
      await clock.advance(1_000);
      expect(known).toBe(false);
      source.update([]);
    }
    await clock.advance(0);
    expect(known).toBe(true);
  }
});
