import { describe, expect, test } from 'vitest';
import type { Route } from '../../../../gateway/core/call.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import type { FakeExchange } from '../../../support/fake-worker.ts';
import { kindOf, setUp, textOf } from './dispatch-scene.ts';

const RESPONSES: Route = { path: '/v1/responses', dialect: 'responses', body: 'json', streamEnd: 'final-event' };
const CREATED = 'event: response.created\ndata: {"response":{"status":"in_progress"},"sequence_number":0,"type":"response.created"}\n\n\n';
const IN_PROGRESS =
  'event: response.in_progress\ndata: {"response":{"status":"in_progress"},"sequence_number":1,"type":"response.in_progress"}\n\n\n';
const DELTA = 'event: response.output_text.delta\ndata: {"delta":"a","sequence_number":2,"type":"response.output_text.delta"}\n\n';

/** What vLLM does where it cannot compile a schema of a request. */
const breakOff = (exchange: FakeExchange): unknown => exchange.sent().head().frames(CREATED).frames(IN_PROGRESS).failed('died');
const breakOffLater = (exchange: FakeExchange): unknown => exchange.sent().head().frames(CREATED, IN_PROGRESS, DELTA).failed('died');
/** One worker, whose health check is good. */
function well() {
  const t = setUp({ workers: 1 });
  t.workers[0]!.transport.onGet = () => Promise.resolve({ status: 200, body: '' });
  return t;
}

const call = (text?: string) => fakeCall({ route: RESPONSES, stream: true, ...(text === undefined ? {} : { text }) });

describe('a stream of /v1/responses that is broken off before any output', () => {
  test('is no failure of the worker, however many there are, and the client is told', async () => {
    const t = well();
    for (let i = 0; i < 20; i++) {
      const told = textOf(await t.sendTo(breakOff, call()));
      expect(told).toContain('event: error\ndata: {"type":"error","sequence_number":2,"code":"invalid_value"');
      expect(told).toContain('schema');
    }
    expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
  });

  test('does not make its body a suspect when the worker lives on', async () => {
    const t = well();
    for (let i = 0; i < 5; i++) {
      textOf(await t.sendTo(breakOff, call('same')));
      await t.clock.advance(6_000);
    }
  });

  test('is the death of its worker where that is not well, or proves to have ended: a body that ended two is not tried again', async () => {
    const t = well();
    for (let life = 0; life < 2; life++) {
      if (life === 1) t.workers[0]!.transport.onGet = () => Promise.resolve({ status: 503, body: '' });
      expect(textOf(await t.sendTo(breakOff, call('poison')))).toContain(life === 0 ? 'invalid_value' : 'upstream_disconnected');
      t.workers[0]!.life = { since: t.clock.now() + 1 };
      await t.clock.advance(6_000);
    }
    expect(kindOf(await t.sendTo(breakOff, call('poison')))).toBe('suspect');
  });

  test('or before anything came at all: a 400, and no other worker is asked', async () => {
    const t = setUp({ workers: 2 });
    for (const { transport } of t.workers) transport.onGet = () => Promise.resolve({ status: 200, body: '' });
    for (let i = 0; i < 10; i++)
      expect(kindOf(await t.sendTo((exchange) => exchange.sent().head().failed('died'), call()))).toBe('invalid_value');
    expect(t.asked()).toEqual([5, 5]);
    for (const { id } of t.workers) expect(t.dispatch.breakers.get(id)!.state).toBe('closed');
  });

  test('counts once there was output, as it does on other routes', async () => {
    const t = setUp({ workers: 1 });
    for (let i = 0; i < 5; i++) await t.sendTo(breakOffLater, call());
    expect(t.dispatch.breakers.get('w0')!.state).toBe('open');
  });

  test('is told by its last event alone, whatever the request has echoed in it', async () => {
    const t = setUp({ workers: 1 });
    const echo = `event: response.output_item.added\ndata: ${JSON.stringify({ text: '\nevent: response.in_progress\n' })}\n\n`;
    for (let i = 0; i < 5; i++) await t.sendTo((x) => x.sent().head().frames(CREATED, IN_PROGRESS, echo).failed('died'), call());
    expect(t.dispatch.breakers.get('w0')!.state).toBe('open');
  });
});

describe('a call whose connection is broken off', () => {
  const breakOffAtOnce = (exchange: FakeExchange): unknown => exchange.sent().failed('died');

  test('is sent again when the worker has proved to live on, however often that has happened', async () => {
    const t = setUp({ workers: 1, max_attempts: 1 });
    for (let i = 0; i < 5; i++) {
      expect(kindOf(await t.sendTo(breakOffAtOnce, fakeCall({ text: 'same' })))).toBe('upstream_disconnected');
      await t.clock.advance(6_000);
    }
    expect(t.dispatch.breakers.get('w0')!.state).toBe('closed');
  });

  test('is not, where the worker has not been heard of since', async () => {
    const t = setUp({ workers: 2, max_attempts: 2 });
    for (const { load } of t.workers) Object.assign(load, { scrapedAt: t.clock.now() - 1 });
    t.send(fakeCall({ text: 'same' }));
    await t.settle();
    for (const worker of t.workers) {
      breakOffAtOnce(worker.last);
      await t.settle();
    }
    await t.clock.advance(6_000);
    const again = t.send(fakeCall({ text: 'same' }));
    await t.settle();
    expect(kindOf(again)).toBe('suspect');
  });
});
