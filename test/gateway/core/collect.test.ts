import { describe, expect, test } from 'vitest';
import { collect } from '../../../gateway/core/collect.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from '../../../gateway/core/reply.ts';
import type { FrameBatch } from '../../../gateway/core/transport.ts';
import { clientGone, fakeCall } from '../../support/fake-call.ts';
import { jsonReply } from '../../support/json-reply.ts';
import { fillBatch } from '../../support/fake-worker.ts';

interface Pushed {
  readonly reply: Reply;
  readonly sink: () => Sink;
  outcome: Outcome;
}

/** A reply whose body the test pushes. */
function pushed(): Pushed {
  let sink: Sink | null = null;
  const made: Pushed = {
    outcome: { kind: 'complete', status: 200 },
    sink: () => sink!,
    reply: {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: {
        kind: 'pushed',
        start(given) {
          sink = given;
        },
      },
      relayed: true,
      ended: new Ending(),
      outcome: () => made.outcome,
    },
  };
  return made;
}

const batch: FrameBatch = { bytes: Buffer.alloc(0), count: 0, starts: [], ends: [] };

describe('a collected reply', () => {
  test('is whole, whether it was pushed in frames, in bytes or not at all', async () => {
    const { reply, sink } = pushed();
    const collected = collect(fakeCall(), reply, 100);
    fillBatch(batch, ['ab', 'c']);
    expect(sink().writeFrames(batch)).toBe(true);
    // The transport reuses its arrays.
    batch.starts.fill(-1);
    expect(sink().write(Buffer.from('de'))).toBe(true);
    sink().end();
    const { headers } = reply;
    expect(await collected).toEqual({ status: 200, headers, bytes: Buffer.from('abcde'), outcome: { kind: 'complete', status: 200 } });
    expect(await reply.ended.promise).toEqual({ kind: 'complete', status: 200 });

    const own = jsonReply(202, { a: 1 });
    expect(await collect(fakeCall(), own, 100)).toMatchObject({ status: 202, bytes: Buffer.from('{"a":1}') });
    expect(own.ended.settled).toBe(true);
  });

  test('that breaks off says so, with what had come', async () => {
    const source = pushed();
    const collected = collect(fakeCall(), source.reply, 100);
    source.sink().write(Buffer.from('half'));
    source.outcome = { kind: 'broken', error: new GatewayError('upstream_disconnected', 'It stopped.') };
    source.sink().end();
    expect(await collected).toMatchObject({ bytes: Buffer.from('half'), outcome: source.outcome });
  });

  test('that is cut without a word was not delivered', async () => {
    const { reply, sink } = pushed();
    const call = fakeCall();
    call.journey.phase = 'stream';
    const collected = collect(call, reply, 100);
    sink().destroy();
    expect((await collected).outcome).toEqual({ kind: 'disconnected', phase: 'stream' });
  });

  test('ends with the call, and what comes later is not heard', async () => {
    const { reply, sink } = pushed();
    const call = fakeCall();
    const collected = collect(call, reply, 100);
    sink().write(Buffer.from('ab'));
    call.cancellation.cancel(clientGone());
    sink().write(Buffer.from('cd'));
    sink().end();
    expect(await collected).toMatchObject({ bytes: Buffer.from('ab'), outcome: { kind: 'disconnected' } });
    expect(await reply.ended.promise).toMatchObject({ kind: 'disconnected' });
  });

  test('of a call that was cancelled before is over at once', async () => {
    const call = fakeCall();
    call.cancellation.cancel(clientGone());
    expect((await collect(call, pushed().reply, 100)).outcome.kind).toBe('disconnected');
  });

  test('takes the last words of a source that hears of the cancellation first', async () => {
    const source = pushed();
    const call = fakeCall();
    const error = new GatewayError('deadline', 'Too late.');
    call.cancellation.onCancel(() => {
      source.outcome = { kind: 'broken', error };
      source.sink().write(Buffer.from('sorry'));
      source.sink().end();
    });
    const collected = collect(call, source.reply, 100);
    call.cancellation.cancel(error);
    expect(await collected).toMatchObject({ bytes: Buffer.from('sorry'), outcome: { kind: 'broken', error } });
  });

  test('of exactly the limit is whole; a byte more cancels the call and is not kept', async () => {
    for (const [bytes, kind] of [
      [10, 'complete'],
      [11, 'broken'],
    ] as const) {
      const { reply, sink } = pushed();
      const call = fakeCall();
      const collected = collect(call, reply, 10);
      sink().write(Buffer.alloc(6));
      sink().write(Buffer.alloc(bytes - 6));
      sink().end();
      const { outcome, bytes: kept } = await collected;
      expect(outcome.kind).toBe(kind);
      expect(kept.length).toBe(kind === 'complete' ? 10 : 6);
      expect(call.cancellation.cancelled).toBe(kind === 'broken');
    }
    const own = jsonReply(200, 'x'.repeat(20));
    expect((await collect(fakeCall(), own, 10)).outcome).toMatchObject({ kind: 'broken', error: { kind: 'upstream_error' } });
  });

  test('leaves no listener at the call', async () => {
    const call = fakeCall();
    const { reply, sink } = pushed();
    const collected = collect(call, reply, 10);
    sink().end();
    await collected;
    call.cancellation.cancel(clientGone());
    expect((await reply.ended.promise).kind).toBe('complete');
  });
});
