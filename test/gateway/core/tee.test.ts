import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Call } from '../../../gateway/core/call.ts';
import { collect } from '../../../gateway/core/collect.ts';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from '../../../gateway/core/reply.ts';
import { tee } from '../../../gateway/core/tee.ts';
import type { FrameBatch } from '../../../gateway/core/transport.ts';
import { fakeCall } from '../../support/fake-call.ts';
import { jsonReply } from '../../support/json-reply.ts';
import { FakeClient } from '../../support/fake-client.ts';
import { fillBatch } from '../../support/fake-worker.ts';

const BATCH: FrameBatch = { bytes: Buffer.alloc(0), count: 0, starts: [], ends: [] };
const LIMIT = 400;

/** A source that does what the test says, keeps still while it is held, and says nothing after its cancellation. */
class Source {
  readonly call: Call = fakeCall();
  sink: Sink | null = null;
  starts = 0;
  held = false;
  over = false;
  said = '';
  outcome: Outcome = { kind: 'complete', status: 200 };
  readonly reply: Reply = {
    status: 200,
    headers: { 'content-type': 'text/event-stream' },
    body: {
      kind: 'pushed',
      start: (sink) => {
        this.sink = sink;
        this.starts++;
      },
    },
    relayed: true,
    ended: new Ending(),
    outcome: () => this.outcome,
  };
  endedAs: Outcome | null = null;

  constructor() {
    this.call.cancellation.onCancel(() => {
      this.over = true;
    });
    void this.reply.ended.promise.then((outcome) => {
      this.endedAs = outcome;
    });
  }

  get mayWrite(): boolean {
    return this.sink !== null && !this.held && !this.over;
  }

  write(text: string, framed: boolean): void {
    this.said += text;
    if (framed)
      fillBatch(
        BATCH,
        [text.slice(0, 1), text.slice(1)].filter((part) => part !== ''),
      );
    const more = framed ? this.sink!.writeFrames(BATCH) : this.sink!.write(Buffer.from(text));
    BATCH.starts.fill(-1);
    if (more) return;
    this.held = true;
    this.sink!.onDrain(() => {
      this.held = false;
    });
  }

  end(): void {
    this.over = true;
    this.sink!.end();
  }

  break(): void {
    this.over = true;
    this.outcome = { kind: 'broken', error: new GatewayError('upstream_disconnected', 'It stopped.') };
    this.sink!.destroy();
  }
}

function scene(limit = LIMIT): { source: Source; clients: FakeClient[]; replies: readonly Reply[] } {
  const source = new Source();
  const replies = tee(source.call, source.reply, limit);
  return { source, replies, clients: [new FakeClient(fakeCall()), new FakeClient(fakeCall())] };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

describe('two readers of one reply', () => {
  test('get its head and its whole body, and it is started once', async () => {
    const { source, clients, replies } = scene();
    clients.forEach((client, i) => client.receive(replies[i]!));
    expect(replies[0]).toMatchObject({ status: 200, headers: source.reply.headers, relayed: true });
    source.write('hello', false);
    source.write(' world', true);
    source.end();
    await soon();
    expect(clients.map(({ text, complete }) => [text, complete])).toEqual([
      ['hello world', true],
      ['hello world', true],
    ]);
    expect(source).toMatchObject({ starts: 1, endedAs: { kind: 'complete', status: 200 } });
    expect(source.call.cancellation.cancelled).toBe(false);
  });

  test('may come one after the other', async () => {
    const { source, clients, replies } = scene();
    clients[0]!.receive(replies[0]!);
    source.write('early', true);
    source.end();
    await soon();
    expect(source.endedAs).toBeNull();
    clients[1]!.receive(replies[1]!);
    await soon();
    expect(clients[1]).toMatchObject({ text: 'early', complete: true });
    expect(source.endedAs).toEqual({ kind: 'complete', status: 200 });
  });

  test('share an answer that is whole already', async () => {
    const source = jsonReply(200, { a: 1 });
    const call = fakeCall();
    const [one, two] = tee(call, source, LIMIT);
    expect((await collect(fakeCall(), one, 100)).bytes.toString()).toBe('{"a":1}');
    await soon();
    expect(source.ended.settled).toBe(false);
    expect((await collect(fakeCall(), two, 100)).outcome).toEqual({ kind: 'complete', status: 200 });
    await soon();
    expect(source.ended.settled).toBe(true);
    expect(call.cancellation.cancelled).toBe(false);
  });

  test('cancel it only when both have gone', async () => {
    const { source, clients, replies } = scene();
    clients.forEach((client, i) => client.receive(replies[i]!));
    source.write('a', false);
    clients[0]!.close();
    await soon();
    expect(source.call.cancellation.cancelled).toBe(false);
    source.write('b', false);
    clients[1]!.close();
    await soon();
    expect(source.call.cancellation.reason?.kind).toBe('client_disconnected');
    expect(source.endedAs).toMatchObject({ kind: 'disconnected' });
    expect(clients.map(({ text }) => text)).toEqual(['a', 'ab']);
  });

  test('hold it back together, and not one alone', async () => {
    const { source, clients, replies } = scene();
    clients.forEach((client, i) => client.receive(replies[i]!));
    clients[0]!.slow = true;
    source.write('a', false);
    expect(source.held).toBe(false);
    clients[1]!.slow = true;
    source.write('b', false);
    expect(source.held).toBe(true);
    clients[1]!.drain();
    expect(source.held).toBe(false);
    source.write('c', false);
    clients[0]!.drain();
    expect(clients.map(({ text }) => text)).toEqual(['abc', 'abc']);
  });

  test('get all the rest at its end, however slow they are', async () => {
    const { source, clients, replies } = scene();
    clients.forEach((client, i) => client.receive(replies[i]!));
    clients[0]!.slow = true;
    for (const text of ['a', 'b', 'c', 'd']) source.write(text, false);
    source.end();
    expect(clients[0]).toMatchObject({ text: 'abcd', complete: false });
    clients[0]!.drain();
    await soon();
    expect(clients[0]).toMatchObject({ text: 'abcd', complete: true });
    expect(source.endedAs).toEqual({ kind: 'complete', status: 200 });
  });

  test('let it flow again as soon as one of them is there that can take more', async () => {
    const { source, clients, replies } = scene();
    clients[0]!.receive(replies[0]!);
    clients[0]!.slow = true;
    source.write('a', false);
    expect(source.held).toBe(true);
    clients[1]!.receive(replies[1]!);
    expect(source.held).toBe(false);
    expect(clients[1]!.text).toBe('a');
  });

  test('are cut when they fall too far behind, which is not the other’s concern', async () => {
    const { source, clients, replies } = scene(10);
    clients.forEach((client, i) => client.receive(replies[i]!));
    clients[0]!.slow = true;
    source.write('a', false);
    source.write('x'.repeat(10), false);
    expect(clients[0]!.cut).toBe(false);
    source.write('y', false);
    expect(clients[0]!.cut).toBe(true);
    source.end();
    await soon();
    expect(clients[1]).toMatchObject({ text: `a${'x'.repeat(10)}y`, complete: true });
    expect(source.endedAs).toEqual({ kind: 'complete', status: 200 });
  });

  test('that never come are cut too, and do not keep it from its end', async () => {
    const { source, clients, replies } = scene(10);
    clients[0]!.receive(replies[0]!);
    source.write('x'.repeat(11), false);
    clients[0]!.close();
    await soon();
    expect(source.call.cancellation.cancelled).toBe(true);
    expect(source.endedAs).toMatchObject({ kind: 'disconnected' });
    clients[1]!.receive(replies[1]!);
    expect(clients[1]!.cut).toBe(true);
  });

  test('are both cut when it is, and told why', async () => {
    const { source, clients, replies } = scene();
    clients.forEach((client, i) => client.receive(replies[i]!));
    source.write('a', false);
    source.break();
    await soon();
    for (const client of clients) expect(client).toMatchObject({ cut: true, outcome: source.outcome });
    expect(source.endedAs).toEqual(source.outcome);
  });
});

type Act =
  | { readonly kind: 'write'; readonly bytes: number; readonly framed: boolean }
  | { readonly kind: 'end' }
  | { readonly kind: 'break' }
  | { readonly kind: 'come' | 'slow' | 'drain' | 'leave'; readonly who: 0 | 1 };

const who = fc.constantFrom(0 as const, 1 as const);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: 120 }), framed: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ kind: 'end' }, { kind: 'break' }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('come' as const, 'slow' as const, 'drain' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), who }) },
);

test('whatever happens in whatever order, each reader gets a beginning of what was said, all of it if it stays, and the source is let go of once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const { source, clients, replies } = scene();
      const letters = 'abcdefghijklmnopqrstuvwxyz'.repeat(5);
      for (const happening of acts) {
        if (happening.kind === 'write') {
          if (source.mayWrite) source.write(letters.slice(0, happening.bytes), happening.framed);
        } else if (happening.kind === 'end' || happening.kind === 'break') {
          if (source.sink && !source.over) source[happening.kind]();
        } else {
          const client = clients[happening.who]!;
          if (happening.kind === 'come') {
            if (!client.reply) client.receive(replies[happening.who]!);
          } else if (happening.kind === 'slow') client.slow = true;
          else if (happening.kind === 'drain') client.drain();
          else client.close();
        }
        await soon();
        for (const { text } of clients) expect(source.said.startsWith(text)).toBe(true);
        // It is held only while no reader that is there could take more.
        if (source.held && !source.over) expect(clients.every(({ reply, closed, slow }) => reply === null || closed || slow)).toBe(true);
        const bothGone = clients.every(({ closed }) => closed);
        if (bothGone && clients.every(({ reply }) => reply)) expect(source.over).toBe(true);
      }
      // Those who have not come yet do, everybody reads to the end, and the source says its last.
      for (const [i, client] of clients.entries()) {
        if (!client.reply) client.receive(replies[i]!);
        client.drain();
      }
      await soon();
      if (!source.over) source.end();
      for (const client of clients) client.drain();
      await soon();
      for (const client of clients) {
        if (client.complete) expect(client.text).toBe(source.said);
        expect(client.settledTimes).toBe(1);
        expect(client.complete || client.closed).toBe(true);
      }
      const { outcome } = source;
      if (outcome.kind === 'broken') expect(source.endedAs).toEqual(outcome);
      else expect(source.endedAs?.kind).toBe(clients.some(({ complete }) => complete) ? 'complete' : 'disconnected');
    }),
    { numRuns: 300 },
  );
});
