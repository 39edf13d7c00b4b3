import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import type { Outcome } from '../../../gateway/core/reply.ts';
import { account, InFlight } from '../../../gateway/policies/account.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { jsonReply } from '../../support/json-reply.ts';

describe('in flight', () => {
  test('whoever waits for idle is told when the last has left, and not before', async () => {
    const inFlight = new InFlight();
    inFlight.enter();
    inFlight.enter();
    let told = 0;
    const waiting = [inFlight.idle(), inFlight.idle()].map((idle) => idle.then(() => told++));
    inFlight.leave();
    await Promise.resolve();
    expect(told).toBe(0);
    inFlight.leave();
    await Promise.all(waiting);
    expect([told, inFlight.count]).toEqual([2, 0]);
  });

  test('with nothing in flight idle is now', async () => {
    await new InFlight().idle();
  });
});

describe('the books', () => {
  function setUp(status = 200) {
    const events = new RecordedEvents();
    const inFlight = new InFlight();
    const reply = jsonReply(status, {});
    const handler = account(inFlight, events)(async () => reply);
    return { events, inFlight, reply, handler, call: fakeCall() };
  }

  test('are open from the arrival of a call to the end of its reply', async () => {
    const t = setUp();
    const handled = t.handler(t.call);
    expect(t.inFlight.count).toBe(1);
    expect(t.events.count('requestStarted')).toBe(1);
    await handled;
    expect([t.inFlight.count, t.events.count('requestEnded')]).toEqual([1, 0]);
    t.reply.ended.settle({ kind: 'complete', status: 200 });
    await t.inFlight.idle();
    expect(t.events.count('requestEnded')).toBe(1);
    expect(t.call.journey.phase).toBe('done');
  });

  test('a second ending is not heard', async () => {
    const t = setUp();
    await t.handler(t.call);
    expect(t.reply.ended.settle({ kind: 'complete', status: 200 })).toBe(true);
    expect(t.reply.ended.settle({ kind: 'disconnected', phase: 'stream' })).toBe(false);
    await t.inFlight.idle();
    expect(t.events.of('requestEnded').map(([, outcome]) => outcome.kind)).toEqual(['complete']);
    expect(t.inFlight.count).toBe(0);
  });

  const broken = new GatewayError('upstream_disconnected', 'gone');
  test.each<{ outcome: Outcome; replied: number; booked: number }>([
    { outcome: { kind: 'complete', status: 200 }, replied: 200, booked: 200 },
    { outcome: { kind: 'refused', error: broken }, replied: 502, booked: 502 },
    { outcome: { kind: 'broken', error: broken }, replied: 200, booked: 200 },
    { outcome: { kind: 'disconnected', phase: 'stream' }, replied: 200, booked: 499 },
  ])('an answer with status $replied that ends $outcome.kind is booked as $booked', async ({ outcome, replied, booked }) => {
    const t = setUp(replied);
    await t.handler(t.call);
    t.reply.ended.settle(outcome);
    await t.inFlight.idle();
    expect(t.events.of('requestEnded')).toEqual([[t.call, outcome, booked]]);
  });
});
