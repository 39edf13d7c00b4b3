import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { rescue } from '../../../gateway/policies/rescue.ts';
import { fakeCall, MESSAGES } from '../../support/fake-call.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { jsonReply } from '../../support/json-reply.ts';

function rescued(thrown: unknown) {
  const unexpected: [unknown, string][] = [];
  const layer = rescue(seededRandom(1), (error, id) => unexpected.push([error, id]));
  return { handler: layer(() => Promise.reject(thrown as Error)), unexpected };
}

function bodyOf(reply: { body: { kind: string; bytes?: unknown } }): unknown {
  return JSON.parse(String(reply.body.bytes));
}

test('a reply passes through untouched', async () => {
  const reply = jsonReply(200, {});
  const handler = rescue(seededRandom(1), () => {})(async () => reply);
  expect(await handler(fakeCall())).toBe(reply);
});

describe('an expected error', () => {
  test('becomes an answer with its status, headers and body, and is no surprise', async () => {
    const error = new GatewayError('queue_full', 'Too many requests.', { retryAfterMs: 2_000 });
    const { handler, unexpected } = rescued(error);
    const reply = await handler(fakeCall());
    expect(reply.status).toBe(503);
    expect(reply.headers['x-headgate-reason']).toBe('queue_full');
    expect(reply.relayed).toBe(false);
    expect(bodyOf(reply as never)).toEqual({
      error: { message: 'Too many requests.', type: 'service_unavailable_error', param: null, code: 'server_is_overloaded' },
    });
    expect(reply.outcome()).toEqual({ kind: 'refused', error });
    expect(unexpected).toEqual([]);
  });

  test('speaks the dialect of the route', async () => {
    const { handler } = rescued(new GatewayError('queue_full', 'Too many requests.'));
    expect(bodyOf((await handler(fakeCall({ route: MESSAGES }))) as never)).toEqual({
      type: 'error',
      error: { type: 'overloaded_error', message: 'Too many requests.' },
    });
  });

  test('gives every call an ending of its own', async () => {
    const { handler } = rescued(new GatewayError('queue_full', 'full'));
    const [a, b] = [await handler(fakeCall()), await handler(fakeCall())];
    a.ended.settle(a.outcome());
    expect([a.ended.settled, b.ended.settled]).toEqual([true, false]);
  });
});

describe('anything unexpected', () => {
  test.each([new TypeError('secret.path is not a function'), 'a string', null, undefined])(
    'is our fault, told to the log and not to the client: %s',
    async (thrown) => {
      const { handler, unexpected } = rescued(thrown);
      const reply = await handler(fakeCall({ id: 'call-x' }));
      expect(reply.status).toBe(500);
      expect(reply.headers['x-headgate-reason']).toBe('internal');
      expect(bodyOf(reply as never)).toEqual({
        error: { message: 'The gateway failed to handle the request.', type: 'server_error', param: null, code: 'internal_error' },
      });
      expect(unexpected).toEqual([[thrown, 'call-x']]);
    },
  );
});
