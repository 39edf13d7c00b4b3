import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { setUp } from './admission-scene.ts';
import { jsonReply } from '../../../support/json-reply.ts';

describe('places', () => {
  test('as many calls enter as there are places, and the next when one leaves', async () => {
    const t = setUp({ slots: 2 });
    for (const id of ['a', 'b', 'c']) t.enter({ id });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
    expect(t.admission.inUse()).toBe(2);
    expect(t.admission.depth('interactive')).toBe(1);
    t.leave('a');
    await t.settle();
    expect(t.order).toEqual(['a', 'b', 'c']);
    expect(t.admission.depth('interactive')).toBe(0);
  });

  test('a place is given back once, however often it is released', async () => {
    const t = setUp({ slots: 1 });
    for (const id of ['a', 'b', 'c']) t.enter({ id });
    await t.settle();
    for (let i = 0; i < 5; i++) t.leave('a');
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
    expect(t.admission.inUse()).toBe(1);
  });

  test('headroom is rounded down, and a worker always has one place', async () => {
    const t = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 5 })], headroom: 0.25 });
    for (let i = 0; i < 10; i++) t.enter();
    await t.settle();
    expect(t.admission.inUse()).toBe(6);

    const small = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 1 })] });
    Object.assign(small.workers[0]!.load, { scrapedAt: 1000, kvUsage: 0.95, waiting: 0 });
    small.enter({ id: 'a' });
    await small.settle();
    expect(small.order).toEqual(['a']);
  });

  test('each model has its own', async () => {
    const other = new FakeWorker('w1', { maxNumSeqs: 1, models: [{ id: 'other', root: null, parent: null, maxModelLen: null }] });
    const t = setUp({ workers: [new FakeWorker('w0', { maxNumSeqs: 1 }), other] });
    t.enter({ id: 'a' });
    t.enter({ id: 'b' });
    t.enter({ id: 'c', model: 'other' });
    await t.settle();
    expect(t.order).toEqual(['a', 'c']);
  });

  test('a worker that becomes ready lets the line move up at once', async () => {
    const workers = [new FakeWorker('w0', { maxNumSeqs: 1 }), new FakeWorker('w1', { maxNumSeqs: 2, state: 'starting' })];
    const t = setUp({ workers });
    for (const id of ['a', 'b', 'c', 'd']) t.enter({ id });
    await t.settle();
    expect(t.order).toEqual(['a']);
    t.directory.setState(workers[1]!, 'ready');
    await t.settle();
    expect(t.order).toEqual(['a', 'b', 'c']);
  });

  test('a worker that goes takes its places with it: nobody enters until as many have left', async () => {
    const workers = [new FakeWorker('w0', { maxNumSeqs: 2 }), new FakeWorker('w1', { maxNumSeqs: 2 })];
    const t = setUp({ workers });
    for (const id of ['a', 'b', 'c', 'd', 'e']) t.enter({ id });
    await t.settle();
    t.directory.setState(workers[1]!, 'stopping');
    t.leave('a');
    t.leave('b');
    await t.settle();
    expect(t.order).toHaveLength(4);
    t.leave('c');
    await t.settle();
    expect(t.order).toHaveLength(5);
  });

  test('pressure takes places away, and the line moves up when it falls, without anyone leaving', async () => {
    const t = setUp({ slots: 4 });
    const { load } = t.workers[0]!;
    Object.assign(load, { scrapedAt: t.clock.now(), kvUsage: 0.95, waiting: 0 });
    for (const id of ['a', 'b', 'c']) t.enter({ id });
    await t.settle();
    expect(t.order).toEqual(['a', 'b']);
    Object.assign(load, { kvUsage: 0.2 });
    await t.clock.advance(300);
    expect(t.order).toEqual(['a', 'b', 'c']);
  });

  test('a cancelled call does not enter, though there is room', async () => {
    const t = setUp();
    const call = fakeCall();
    const gone = clientGone();
    call.cancellation.cancel(gone);
    await expect(t.admission.room(MODEL).enter(call)).rejects.toBe(gone);
    expect(t.admission.inUse()).toBe(0);
  });
});

describe('as a layer', () => {
  test('holds the place until the reply has ended, not until the handler returns', async () => {
    const t = setUp();
    const reply = jsonReply(200, {});
    const handler = t.admission.layer()(async () => reply);
    await handler(fakeCall());
    await t.settle();
    expect(t.admission.inUse()).toBe(1);
    reply.ended.settle({ kind: 'complete', status: 200 });
    await t.settle();
    expect(t.admission.inUse()).toBe(0);
    expect(t.events.count('admitted')).toBe(1);
  });

  test('gives the place back when the next handler throws', async () => {
    const t = setUp();
    const error = new Error('broken');
    const handler = t.admission.layer()(() => Promise.reject(error));
    await expect(handler(fakeCall())).rejects.toBe(error);
    expect(t.admission.inUse()).toBe(0);
  });

  test('tells why it refused, but not when the client simply left', async () => {
    const t = setUp({ max_queue: 1 });
    const handler = t.admission.layer()(async () => jsonReply(200, {}));
    await handler(fakeCall());
    const left = fakeCall();
    const leaving = handler(left);
    await expect(handler(fakeCall())).rejects.toThrow('Too many requests');
    left.cancellation.cancel(clientGone());
    await expect(leaving).rejects.toThrow('closed the connection');
    expect(t.events.of('rejected').map(([, reason]) => reason)).toEqual(['queue_full']);
  });

  test('a deadline that passes in the line is a refusal with its own reason', async () => {
    const t = setUp();
    const handler = t.admission.layer()(async () => jsonReply(200, {}));
    await handler(fakeCall());
    const call = fakeCall();
    const waiting = handler(call);
    await t.settle();
    call.cancellation.cancel(new GatewayError('deadline', 'too long'));
    await expect(waiting).rejects.toThrow('too long');
    expect(t.events.of('rejected').map(([, reason]) => reason)).toEqual(['deadline']);
  });
});
