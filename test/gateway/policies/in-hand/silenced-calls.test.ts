import { expect, test } from 'vitest';
import { fakeCall } from '../../../support/fake-call.ts';
import { finishEvent, tokenEvent } from '../../../support/fake-worker.ts';
import { good, kindOf, setUp, textOf } from '../dispatch/dispatch-scene.ts';

type Get = () => Promise<{ status: number; body: string }>;
const refused: Get = () => Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
const answered =
  (status: number): Get =>
  () =>
    Promise.resolve({ status, body: '' });

/** A worker that has been seen to be out of service, with a call of ours. */
async function gone(how: { stream?: boolean; workers?: number; get?: Get } = {}) {
  const t = setUp({ workers: how.workers ?? 2 });
  const sent = t.send(fakeCall({ stream: how.stream ?? false }));
  await t.settle();
  t.workers[0]!.last.sent();
  t.workers[0]!.transport.onGet = how.get ?? refused;
  const look = async (ms: number): Promise<void> => {
    await t.clock.advance(ms);
    t.dispatch.lookAfterWaiting();
    await t.settle();
  };
  const leave = (): void => {
    t.directory.setState(t.workers[0]!, 'starting');
  };
  return { ...t, sent, look, leave, first: t.workers[0]!.last };
}

test.each([false, true])('a call (stream: %s) without a byte is sent to another after two to three seconds', async (stream) => {
  const t = await gone({ stream });
  t.leave();
  await t.look(1_900);
  expect(t.first.aborted).toBe(false);
  await t.look(200);
  expect(t.first.aborted).toBe(true);
  expect(t.asked()).toEqual([1, 1]);
  if (stream) t.workers[1]!.last.sent().head().frames(tokenEvent(), tokenEvent(), finishEvent(), 'data: [DONE]\n\n').end();
  else good(t.workers[1]!.last);
  await t.settle();
  expect(textOf(t.sent)).toContain(stream ? '[DONE]' : 'Yes.');
  expect(t.workers[0]).toMatchObject({ inFlight: 0, unanswered: 0 });
});

test('a stream that has begun ends with an error', async () => {
  const t = await gone({ stream: true });
  t.first.head().frames(tokenEvent(' once'));
  await t.look(1_000);
  t.leave();
  await t.look(900);
  expect(t.first.aborted).toBe(false);
  await t.look(200);
  expect(t.first.aborted).toBe(true);
  expect(textOf(t.sent)).toMatch(/ once[^]*data: \{"error":\{"message":"The worker was stopped[^"]*","type":"server_error"/);
  expect(textOf(t.sent)).not.toContain('[DONE]');
});

test('nobody is to blame: neither the worker nor the request', async () => {
  const t = await gone({ workers: 1 });
  for (let life = 1; life <= 3; life++) {
    const sent = life === 1 ? t.sent : t.send(fakeCall());
    await t.settle();
    t.workers[0]!.last.sent();
    t.leave();
    await t.look(2_100);
    expect(kindOf(sent)).toBe('upstream_disconnected');
    t.directory.setState(t.workers[0]!, 'ready');
  }
  expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
});

test.each<[string, { ready?: boolean; get?: Get }]>([
  ['is ready, however long it is silent', { ready: true }],
  ['still takes connections', { get: answered(200) }],
  ['says that its engine is dead, and will end its calls itself', { get: answered(503) }],
  ['does not answer in time', { get: () => Promise.reject(new Error('time is over')) }],
])('a call is left to a worker that %s', async (_, { ready = false, get = refused }) => {
  const t = await gone({ get });
  if (!ready) t.leave();
  await t.look(30_000);
  await t.look(500);
  expect(t.first.aborted).toBe(false);
  good(t.first);
  await t.settle();
  expect(textOf(t.sent)).toContain('Yes.');
});

test('a worker that still speaks to one of its callers is finishing what it has', async () => {
  const t = await gone();
  const stream = t.send(fakeCall({ stream: true }));
  await t.settle();
  // The second call went to w1 by turns: the third is at w0 again.
  const third = t.send(fakeCall({ stream: true }));
  await t.settle();
  const talking = t.workers[0]!.last.sent().head();
  t.leave();
  for (let i = 0; i < 5; i++) {
    talking.frames(tokenEvent());
    await t.look(1_500);
  }
  expect(t.first.aborted).toBe(false);
  await t.look(1_500);
  expect(t.first.aborted).toBe(true);
  expect(textOf(third)).toContain('"error"');
  expect(stream.result).toBeNull();
});

test('a client that reads slowly has what the worker has sent before it hears of its end', async () => {
  const t = await gone({ stream: true });
  t.first.head();
  t.sent.client.slow = true;
  t.first.frames(tokenEvent());
  t.leave();
  await t.look(10_000);
  expect(t.first.aborted).toBe(false);
});
