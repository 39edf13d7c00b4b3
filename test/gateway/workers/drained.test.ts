import { expect, test } from 'vitest';
import { createDirectory } from '../../../gateway/workers/directory.ts';
import { startListedSource } from '../../../gateway/workers/listed-source.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { fakeTransports, recordChanges, refused, type FakeAnswers } from './worker-fixtures.ts';

const [A, B] = ['a.test:8000', 'b.test:8000'];
const OK = { status: 200, body: '' };
const listing = (id: string, models: readonly string[] = ['m']) => ({ url: `http://${id}`, apiKey: null, models, maxNumSeqs: 8 });

async function scene(answers: Record<string, FakeAnswers>, ids: readonly string[] = [A]) {
  const clock = createFakeClock();
  const transports = fakeTransports(clock, answers);
  const directory = createDirectory({ clock, events: recordChanges().events, models: [], createTransport: transports.create });
  const kept: string[] = [];
  const source = startListedSource({ clock, directory, workers: ids.map((id) => listing(id)), onKept: (id) => kept.push(id) });
  await clock.advance(0);
  const states = () => Object.fromEntries(directory.workers().map(({ id, view }) => [id, view.state]));
  return { clock, transports, directory, source, kept, states };
}

test('a worker that is drained gets nothing new, finishes what it has, stays out though it is well, and comes back when it is told to', async () => {
  const { clock, directory, source, states } = await scene({ [A]: { '/health': OK } });
  const worker = directory.worker(A)!;
  worker.inFlight = 2;
  expect(source.drain(A)).toMatchObject({ kind: 'accepted', message: expect.stringContaining('headgate undrain a.test:8000') });
  expect(states()).toEqual({ [A]: 'draining' });
  expect(directory.readyFor('m')).toEqual([]);
  await clock.advance(10_000);
  expect(states()).toEqual({ [A]: 'draining' });
  // Whether its last calls get on is of interest to the limits of their time.
  expect(source.scrapes(worker)).toBe(true);
  worker.inFlight = 0;
  await clock.advance(200);
  expect(states()).toEqual({ [A]: 'drained' });
  expect(source.scrapes(worker)).toBe(false);
  await clock.advance(60_000);
  expect(states()).toEqual({ [A]: 'drained' });
  expect(source.drain(A)).toMatchObject({ kind: 'conflict', message: expect.stringContaining('headgate undrain') });
  expect(source.undrain(A).kind).toBe('accepted');
  await clock.advance(0);
  expect(states()).toEqual({ [A]: 'ready' });
  expect(source.undrain(A).kind).toBe('conflict');
  source.close();
  expect(clock.pending).toBe(0);
});

test('one that is gone when it is put back is not taken for ready', async () => {
  const { clock, transports, source, states } = await scene({ [A]: { '/health': OK } });
  source.drain(A);
  transports.answers[A] = { '/health': refused() };
  await clock.advance(10_000);
  expect(states()).toEqual({ [A]: 'drained' });
  source.undrain(A);
  await clock.advance(10_000);
  expect(states()).toEqual({ [A]: 'starting' });
  transports.answers[A] = { '/health': OK };
  await clock.advance(10_000);
  expect(states()).toEqual({ [A]: 'ready' });
});

test('a reload of the same list leaves a drained worker drained', async () => {
  const { clock, source, states } = await scene({ [A]: { '/health': OK } });
  source.drain(A);
  source.update([{ ...listing(A), maxNumSeqs: 16 }]);
  await clock.advance(10_000);
  expect(states()).toEqual({ [A]: 'drained' });
});

test('a worker that another takes the place of serves until that is ready, and not a moment longer', async () => {
  const { clock, transports, directory, source, kept, states } = await scene({ [A]: { '/health': OK }, [B]: { '/health': refused() } });
  source.update([listing(B)]);
  await clock.advance(20_000);
  expect(states()).toEqual({ [B]: 'starting', [A]: 'ready' });
  expect(directory.readyFor('m').map(({ id }) => id)).toEqual([A]);
  expect(kept).toEqual([A]);
  transports.answers[B] = { '/health': OK };
  await clock.advance(5_000);
  expect(states()).toEqual({ [B]: 'ready' });
  expect(directory.readyFor('m').map(({ id }) => id)).toEqual([B]);
});

test('it does not serve for ever where nobody comes, nor when it is gone itself', async () => {
  const never = await scene({ [A]: { '/health': OK }, [B]: { '/health': refused() } });
  never.source.update([listing(B)]);
  await never.clock.advance(299_000);
  expect(never.states()).toEqual({ [B]: 'starting', [A]: 'ready' });
  await never.clock.advance(2_000);
  expect(never.states()).toEqual({ [B]: 'starting' });

  const gone = await scene({ [A]: { '/health': OK }, [B]: { '/health': refused() } });
  gone.source.update([listing(B)]);
  gone.transports.answers[A] = { '/health': refused() };
  await gone.clock.advance(10_000);
  expect(gone.states()).toEqual({ [B]: 'starting' });
  gone.source.close();
  expect(gone.clock.pending).toBe(0);
});

test('one whose models others serve leaves at once; one that is listed again never left', async () => {
  const two = await scene({ [A]: { '/health': OK }, [B]: { '/health': OK } }, [A, B]);
  two.source.update([listing(B)]);
  expect(two.states()).toEqual({ [B]: 'ready' });
  expect(two.kept).toEqual([]);

  const back = await scene({ [A]: { '/health': OK }, [B]: { '/health': refused() } });
  const worker = back.directory.worker(A);
  back.source.update([listing(B)]);
  back.source.update([listing(A)]);
  expect(back.states()).toEqual({ [A]: 'ready' });
  expect(back.directory.worker(A)).toBe(worker);
  await back.clock.advance(400_000);
  expect(back.states()).toEqual({ [A]: 'ready' });
});
