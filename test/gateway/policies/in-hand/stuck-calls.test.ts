import { expect, test } from 'vitest';
import { fakeCall } from '../../../support/fake-call.ts';
import { finishEvent, tokenEvent } from '../../../support/fake-worker.ts';
import { good, setUp, textOf } from '../dispatch/dispatch-scene.ts';

/** A call that waits at w0, of which it then becomes known that it stands still. */
async function stuck(stream = false, workers = 2) {
  const t = setUp({ workers });
  const sent = t.send(fakeCall({ stream }));
  await t.settle();
  t.workers[0]!.last.sent();
  if (stream) t.workers[0]!.last.head();
  t.dispatch.lookAfterWaiting();
  await t.settle();
  expect(t.workers[0]!.last.aborted).toBe(false);
  t.workers[0]!.load.withheldAt = t.clock.now();
  return { ...t, sent };
}

test.each([false, true])('a call (stream: %s) that waits at a worker that stands still is answered by another', async (stream) => {
  const t = await stuck(stream);
  t.dispatch.lookAfterWaiting();
  await t.settle();
  expect(t.workers[0]!.last.aborted).toBe(true);
  expect(t.workers[0]).toMatchObject({ inFlight: 0, unanswered: 0 });
  expect(t.asked()).toEqual([1, 1]);
  if (stream) t.workers[1]!.last.sent().head().frames(tokenEvent(), finishEvent(), 'data: [DONE]\n\n').end();
  else good(t.workers[1]!.last);
  await t.settle();
  expect(textOf(t.sent)).toContain(stream ? '[DONE]' : 'Yes.');
  t.dispatch.lookAfterWaiting();
  expect(t.asked()).toEqual([1, 1]);
});

test('it waits on where there is no other, or none that does any better: the worker may get on', async () => {
  const alone = await stuck(false, 1);
  alone.dispatch.lookAfterWaiting();
  const both = await stuck();
  both.workers[1]!.load.withheldAt = both.clock.now();
  both.dispatch.lookAfterWaiting();
  for (const t of [alone, both]) {
    await t.settle();
    good(t.workers[0]!.last);
    await t.settle();
    expect(textOf(t.sent)).toContain('Yes.');
  }
});

test('a stream that has begun is left to the worker that began it', async () => {
  const t = await stuck(true);
  t.workers[0]!.last.frames(tokenEvent());
  t.dispatch.lookAfterWaiting();
  await t.settle();
  expect(t.workers[0]!.last.aborted).toBe(false);
  expect(t.asked()).toEqual([1, 0]);
});
