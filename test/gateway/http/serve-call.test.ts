import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { newAttempt } from '../../../gateway/core/attempt.ts';
import type { Call } from '../../../gateway/core/call.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from '../../../gateway/core/reply.ts';
import { ClientSide } from '../../../gateway/http/serve-call.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { until } from '../../support/gateway.ts';
import { connectRaw, type RawClient } from '../../support/raw-client.ts';
import { jsonReply } from '../../support/json-reply.ts';

interface Scene {
  readonly client: RawClient;
  readonly call: Call;
  readonly side: ClientSide;
  readonly response: ServerResponse;
}

/** One request of a client, received and not yet answered. */
async function scene(call: Call, act: (scene: Scene) => Promise<void>, line = 'GET / HTTP/1.1'): Promise<void> {
  const received = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => received.resolve(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    using client = await connectRaw((server.address() as AddressInfo).port);
    client.send(`${line}\r\nHost: x\r\n\r\n`);
    const response = await received.promise;
    await act({ client, call, response, side: new ClientSide(response, call) });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function pushed(start: (sink: Sink) => void, outcome: () => Outcome = () => ({ kind: 'complete', status: 200 })): Reply {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: { kind: 'pushed', start },
    relayed: true,
    ended: new Ending(),
    outcome,
  };
}

function relayed(model: string): { call: Call; reply: Reply } {
  const call = fakeCall({ id: 'id-1', model });
  Object.assign(call.journey, { queueMs: 3.4, windowMs: 5.6 });
  call.attempts.push(newAttempt('w:0', null), newAttempt('w:1', null));
  return { call, reply: { ...jsonReply(200, { a: 1 }), relayed: true } };
}

describe('the head of an answer', () => {
  test("names the call, and for a worker's answer what became of it", async () => {
    const { call, reply } = relayed('m');
    await scene(call, async ({ client, side }) => {
      side.respond(reply, false);
      const { headers, body } = await client.answer();
      expect(headers).toMatchObject({
        'x-request-id': 'id-1',
        'content-type': 'application/json',
        'content-length': '7',
        'x-headgate-worker': 'w:1',
        'x-headgate-model': 'm',
        'x-headgate-queue-ms': '3',
        'x-headgate-window-ms': '6',
        'x-headgate-attempts': '2',
        connection: 'keep-alive',
      });
      expect(body).toBe('{"a":1}');
    });
  });

  test("says nothing of workers for an answer of the gateway's own", async () => {
    await scene(fakeCall(), async ({ client, side }) => {
      side.respond(jsonReply(200, {}), true);
      const { headers } = await client.answer();
      expect(Object.keys(headers).filter((name) => name.startsWith('x-headgate'))).toEqual([]);
      expect(headers['connection']).toBe('close');
    });
  });

  test.each([
    ['/models/a b', '/models/a b'],
    ['模型', '%E6%A8%A1%E5%9E%8B'],
    ['a\r\nset-cookie: b', 'a%0D%0Aset-cookie%3A%20b'],
    ['\ud800', '%EF%BF%BD'],
  ])('carries the model %j as %s', async (model, value) => {
    const { call, reply } = relayed(model);
    await scene(call, async ({ client, side }) => {
      side.respond(reply, false);
      const { headers } = await client.answer();
      expect(headers['x-headgate-model']).toBe(value);
      expect(headers['set-cookie']).toBeUndefined();
    });
  });
});

describe('the end of a reply', () => {
  test('is told when the last byte has been handed over', async () => {
    const reply = pushed((sink) => {
      sink.write(Buffer.from('a'));
      sink.end();
    });
    await scene(fakeCall(), async ({ client, side }) => {
      side.respond(reply, false);
      expect((await client.answer()).body).toBe('a');
      expect(await reply.ended.promise).toEqual({ kind: 'complete', status: 200 });
    });
  });

  test('is a disconnect when the client leaves, and the call is told first', async () => {
    for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const call = fakeCall();
      const reply = pushed((sink) => void sink.write(Buffer.from('a')));
      await scene(call, async ({ client, side }) => {
        side.respond(reply, false);
        await until(() => client.received.includes('a'), 'the first byte');
        call.journey.phase = 'stream';
        client.socket[leave]();
        expect(await reply.ended.promise).toEqual({ kind: 'disconnected', phase: 'stream' });
        expect(call.cancellation.reason?.kind).toBe('client_disconnected');
      });
    }
  });

  test('is a disconnect for a reply that comes after the client has left', async () => {
    const call = fakeCall();
    await scene(call, async ({ client, side }) => {
      client.socket.destroy();
      await until(() => call.cancellation.cancelled, 'the call is told');
      const reply = jsonReply(200, {});
      side.respond(reply, false);
      expect(await reply.ended.promise).toEqual({ kind: 'disconnected', phase: 'admission' });
    });
  });

  test('stays broken when the body was cut for that', async () => {
    const error = new GatewayError('upstream_disconnected', 'x');
    const reply = pushed(
      (sink) => {
        sink.write(Buffer.from('a'));
        setImmediate(() => sink.destroy());
      },
      () => ({ kind: 'broken', error }),
    );
    await scene(fakeCall(), async ({ side }) => {
      side.respond(reply, false);
      expect(await reply.ended.promise).toEqual({ kind: 'broken', error });
    });
  });

  test('does not wait forever for a client that does not read', async () => {
    const large = Buffer.alloc(20_000_000, 'x');
    for (const reply of [
      { ...jsonReply(200, {}), body: { kind: 'bytes', bytes: large } as const },
      pushed((sink) => {
        sink.write(large);
        sink.end();
      }),
    ]) {
      await scene(fakeCall(), async ({ client, side, response }) => {
        client.socket.pause();
        side.respond(reply, false);
        await until(() => response.socket?.timeout === 60_000, 'it has a limit');
      });
    }
  });
});

test('a client of HTTP/1.0 gets a stream without chunks', async () => {
  const reply = pushed((sink) => {
    sink.write(Buffer.from('a'));
    sink.end();
  });
  await scene(
    fakeCall(),
    async ({ client, side }) => {
      side.respond(reply, false);
      await client.ended;
      expect(await client.answer()).toMatchObject({ body: 'a' });
    },
    'GET / HTTP/1.0',
  );
});
