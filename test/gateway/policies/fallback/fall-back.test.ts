import { expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import { type ErrorKind, GatewayError } from '../../../../gateway/core/errors.ts';
import type { Handler } from '../../../../gateway/core/handler.ts';
import { Ending, type Reply } from '../../../../gateway/core/reply.ts';
import { fallBack } from '../../../../gateway/policies/fallback/fall-back.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';

/** What each model says: a reply, or what it refuses with. */
function scene(says: Readonly<Record<string, GatewayError | Reply | (() => never)>>, ready = Object.keys(says)) {
  const events = new RecordedEvents();
  const asked: Call[] = [];
  const worker = new FakeWorker('w');
  const next: Handler = (call) => {
    asked.push(call);
    const answer = says[call.model];
    if (typeof answer === 'function') return answer();
    return answer === undefined || answer instanceof GatewayError ? Promise.reject(answer ?? new Error('nobody')) : Promise.resolve(answer);
  };
  const directory = { readyFor: (model: string) => (ready.includes(model) ? [worker] : []) };
  const layer = fallBack({ events, directory, fallsBack: () => true });
  return { events, asked, directory, next, handle: layer(next) };
}

function reply(): Reply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: { kind: 'bytes', bytes: '{}' },
    relayed: true,
    ended: new Ending(),
    outcome: () => ({ kind: 'complete', status: 200 }),
  };
}

const refusal = (kind: ErrorKind, details = {}): GatewayError => new GatewayError(kind, kind, details);
const call = (fallbacks: readonly string[] = ['x', 'y']): Call => ({ ...fakeCall({ model: 'chat' }), fallbacks });

test('where no model has a fallback nothing stands in the way', () => {
  const { events, directory, next } = scene({ chat: reply() });
  expect(fallBack({ events, directory })(next)).toBe(next);
});

test('a call without a fallback is handed on as it is', () => {
  const { handle, asked } = scene({ chat: reply() });
  const own = fakeCall({ model: 'chat' });
  void handle(own);
  expect(asked).toEqual([own]);
  expect(asked[0]).toBe(own);
});

test.each<ErrorKind>([
  'queue_full',
  'queue_timeout',
  'kv_pressure',
  'breaker_open',
  'worker_busy',
  'model_loading',
  'no_worker',
  'upstream_error',
  'upstream_disconnected',
  'upstream_timeout',
])('%s: another model answers, and it is told', async (kind) => {
  const { handle, asked, events } = scene({ chat: refusal(kind), x: reply() });
  const own = call();
  const given = await handle(own);
  expect(given.headers).toEqual({ 'content-type': 'application/json', 'x-headgate-fallback': 'x' });
  expect(asked.map(({ model }) => model)).toEqual(['chat', 'x']);
  // It is the same call to everybody but the workers of the other model.
  expect(asked[1]).toMatchObject({ id: own.id, arrivedAt: own.arrivedAt });
  expect(asked[1]!.attempts).toBe(own.attempts);
  const { reason } = refusal(kind);
  expect(own.journey.fallback).toEqual({ to: 'x', reason });
  expect(events.of('fellBack')).toEqual([[own, 'x', reason]]);
});

test.each<ErrorKind>(['invalid_value', 'suspect', 'deadline', 'draining', 'rate_limited', 'client_disconnected', 'internal', 'not_cached'])(
  '%s is the last word',
  async (kind) => {
    const said = refusal(kind);
    const { handle, asked, events } = scene({ chat: said, x: reply() });
    await expect(handle(call())).rejects.toBe(said);
    expect(asked).toHaveLength(1);
    expect(events.all).toEqual([]);
  },
);

test('a request that workers have died of is tried nowhere else, and neither is a fault of our own hidden', async () => {
  const onTrial = refusal('worker_busy', { onlyThis: true });
  await expect(scene({ chat: onTrial, x: reply() }).handle(call())).rejects.toBe(onTrial);
  const fault = new TypeError('oh');
  const thrown = scene({
    chat() {
      throw fault;
    },
    x: reply(),
  });
  await expect((async () => thrown.handle(call()))()).rejects.toBe(fault);
});

test('whoever has gone is sent nowhere', async () => {
  const { handle, asked } = scene({ chat: refusal('queue_full'), x: reply() });
  const own = call();
  own.cancellation.cancel(clientGone());
  await expect(handle(own)).rejects.toMatchObject({ kind: 'queue_full' });
  expect(asked).toHaveLength(1);
});

test('a model that no worker has is passed over, and so is one that cannot either', async () => {
  const { handle, asked } = scene({ chat: refusal('no_worker'), x: reply(), y: refusal('queue_full'), z: reply() }, ['chat', 'y', 'z']);
  const given = await handle(call(['x', 'y', 'z']));
  expect(given.headers['x-headgate-fallback']).toBe('z');
  expect(asked.map(({ model }) => model)).toEqual(['chat', 'y', 'z']);
});

test('where none can, what is told is what its own model said, and nothing else is', async () => {
  const own = refusal('kv_pressure');
  const { handle, events } = scene({ chat: own, x: refusal('no_worker'), y: refusal('upstream_error') });
  const asked = call();
  await expect(handle(asked)).rejects.toBe(own);
  expect(asked.journey.fallback).toBeNull();
  expect(events.all).toEqual([]);
});

test('what another model says of the request is heard, as that model’s', async () => {
  const said = refusal('invalid_value');
  const { handle } = scene({ chat: refusal('queue_full'), x: said, y: reply() });
  const own = call();
  await expect(handle(own)).rejects.toBe(said);
  expect(own.journey.fallback).toEqual({ to: 'x', reason: 'queue_full' });
});

test('a name that no header can carry is told percent-encoded', async () => {
  const { handle } = scene({ chat: refusal('queue_full'), 'modell-ü': reply() });
  expect((await handle(call(['modell-ü']))).headers['x-headgate-fallback']).toBe('modell-%C3%BC');
});
