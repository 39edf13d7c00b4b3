import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import type { Clock } from '../../../../gateway/core/clock.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { Ending, type Outcome, type Reply, type Sink } from '../../../../gateway/core/reply.ts';
import type { FrameBatch } from '../../../../gateway/core/transport.ts';
import { RecordMemory } from '../../../../gateway/policies/reuse/answer-record.ts';
import { type Field, Flight, type WholeAnswer } from '../../../../gateway/policies/reuse/flight.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { FakeClient } from '../../../support/fake-client.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { fillBatch } from '../../../support/fake-worker.ts';

const BATCH: FrameBatch = { bytes: Buffer.alloc(0), count: 0, starts: [], ends: [] };
const LIMIT = 6_000;
const LARGEST = 2_000;
const soon = () => new Promise((resolve) => setImmediate(resolve));

/** A worker that does what the test says, keeps still while it is held, and hears when it is given up. */
class Source {
  sink: Sink | null = null;
  starts = 0;
  held = false;
  over = false;
  said = '';
  outcome: Outcome = { kind: 'complete', status: 200 };
  endings: Outcome[] = [];
  call: Call | null = null;
  readonly answered = Promise.withResolvers<Reply>();
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

  constructor() {
    this.reply.ended.onSettled((outcome) => this.endings.push(outcome));
  }

  /** What a flight asks of it. */
  readonly next = (call: Call): Promise<Reply> => {
    this.call = call;
    call.cancellation.onCancel((reason) => {
      this.over = true;
      this.answered.reject(reason);
    });
    return this.answered.promise;
  };

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
    // The transport uses them again.
    BATCH.starts.fill(-1);
    if (more || this.over) return;
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

function field(clock: Clock, memory: RecordMemory, graceMs = 0): Field {
  return { clock, memory, mostBytes: () => LIMIT, graceMs: () => graceMs };
}

type Act =
  | { readonly kind: 'write'; readonly bytes: number; readonly framed: boolean }
  | { readonly kind: 'answer' | 'fail' | 'end' | 'break' | 'wait' }
  | { readonly kind: 'come' | 'slow' | 'drain' | 'leave'; readonly who: number };

const who = fc.integer({ min: 0, max: 3 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: LARGEST }), framed: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.constant<Act>({ kind: 'answer' }) },
  { weight: 2, arbitrary: fc.constantFrom<Act>({ kind: 'end' }, { kind: 'break' }, { kind: 'fail' }, { kind: 'wait' }, { kind: 'wait' }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('come' as const, 'slow' as const, 'drain' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who }) },
);

test.each([0, 1_000])(
  'whatever happens in whatever order, each gets a beginning of what was said, all of it who stays, and all is given back once (grace: %d ms)',
  async (graceMs) => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 50 }), async (acts) => {
        const clock = createFakeClock();
        const source = new Source();
        const memory = new RecordMemory(1_000_000);
        const ends: (WholeAnswer | null)[] = [];
        const riders = Array.from({ length: 4 }, () => {
          // A stream goes on for nobody.
          const call = fakeCall({ stream: graceMs === 0 });
          return { call, client: new FakeClient(call), state: 'away' as 'away' | 'waiting' | 'reading' | 'failed' | 'left' };
        });
        const flight = new Flight(riders[0]!.call, field(clock, memory, graceMs), { isKept: true, onEnd: (whole) => ends.push(whole) });
        flight.start(source.next);
        const come = async (rider: (typeof riders)[number]): Promise<void> => {
          rider.state = 'waiting';
          try {
            const reply = await flight.board(rider.call);
            rider.state = 'reading';
            rider.client.receive(reply);
          } catch {
            if (rider.state === 'waiting') rider.state = 'failed';
          }
        };
        void come(riders[0]!);
        const letters = 'abcdefghijklmnopqrstuvwxyz'.repeat(100);
        for (const happening of acts) {
          if (happening.kind === 'write') {
            if (source.mayWrite) source.write(letters.slice(0, happening.bytes), happening.framed);
          } else if (happening.kind === 'answer') source.answered.resolve(source.reply);
          else if (happening.kind === 'fail') source.answered.reject(new GatewayError('upstream_error', 'no'));
          else if (happening.kind === 'end') {
            if (source.sink && !source.over) source.end();
          } else if (happening.kind === 'break') {
            if (source.sink && !source.over) source.break();
          } else if (happening.kind === 'wait') await clock.advance(600);
          else if ('who' in happening) {
            const rider = riders[happening.who]!;
            if (happening.kind === 'come') {
              if (rider.state === 'away' && flight.isOpen) void come(rider);
            } else if (happening.kind === 'slow') rider.client.slow = true;
            else if (happening.kind === 'drain') rider.client.drain();
            else if (rider.state === 'waiting') {
              rider.state = 'left';
              rider.call.cancellation.cancel(clientGone());
            } else if (rider.state === 'reading') rider.client.close();
          }
          await soon();
          for (const { client } of riders) expect(source.said.startsWith(client.text)).toBe(true);
          // What is kept grows by doubling.
          expect(memory.used).toBeLessThanOrEqual(2 * (LIMIT + LARGEST));
          for (const { client, state } of riders) {
            if (state === 'reading' && !client.slow && !client.closed) expect(client.text).toBe(source.said);
          }
          const isLeft = riders.every(({ client, state }) => ['away', 'left', 'failed'].includes(state) || client.closed);
          if (graceMs === 0 && isLeft && !source.call!.cancellation.cancelled) expect(ends).toHaveLength(1);
        }
        // Everybody reads to the end, the worker says its last, and nobody comes any more.
        source.answered.resolve(source.reply);
        await soon();
        for (const { client } of riders) client.drain();
        await clock.advance(1_500);
        if (source.sink && !source.over) source.end();
        await soon();
        for (const { client } of riders) client.drain();
        await clock.advance(1_500);
        await soon();
        for (const { client, state } of riders) {
          if (state === 'reading') expect(client).toMatchObject({ settledTimes: 1, closed: true });
          if (client.complete) expect(client.text).toBe(source.said);
          expect(state).not.toBe('waiting');
        }
        // The worker's place is given back once, and what was kept for others is let go of.
        const wasAnswered = source.starts > 0 || source.endings.length > 0;
        if (wasAnswered) expect(source.endings).toHaveLength(1);
        expect(source.starts).toBeLessThanOrEqual(1);
        expect(ends).toHaveLength(1);
        expect(memory.used).toBe(0);
        const [whole] = ends;
        if (whole) expect(whole.bytes.toString()).toBe(source.said);
        if (source.endings[0]?.kind !== 'complete') expect(whole).toBeNull();
        // Who is given up is told so; who was not asked to stop is not.
        if (riders.some(({ client }) => client.complete)) expect(source.call!.cancellation.cancelled).toBe(false);
      }),
      { numRuns: 500 },
    );
  },
);

test('one that has stopped reading is waited for a second, and then left behind; nothing is kept for it beyond the limit', async () => {
  const clock = createFakeClock();
  const source = new Source();
  const memory = new RecordMemory(1_000_000);
  const calls = [fakeCall({ stream: true }), fakeCall({ stream: true })];
  const clients = calls.map((call) => new FakeClient(call));
  const flight = new Flight(calls[0]!, field(clock, memory), { isKept: false, onEnd: () => {} });
  flight.start(source.next);
  const boarded = calls.map((call) => flight.board(call));
  source.answered.resolve(source.reply);
  for (const [i, client] of clients.entries()) client.receive(await boarded[i]!);
  clients[1]!.slow = true;
  const piece = 'x'.repeat(LARGEST);
  source.write(piece, true);
  source.write(piece, true);
  expect(source.held).toBe(false);
  source.write(piece, false);
  // It has the first, and two more are kept for it: it is far behind.
  expect(source.held).toBe(true);
  await clock.advance(900);
  expect(source.held).toBe(true);
  await clock.advance(100);
  expect(source.held).toBe(false);
  for (let i = 0; i < 20; i++) source.write(piece, i % 2 === 0);
  expect(clients[1]).toMatchObject({ cut: true, text: piece });
  expect(memory.used).toBe(0);
  expect(flight.isOpen).toBe(false);
  source.end();
  expect(clients[0]).toMatchObject({ complete: true, text: piece.repeat(23) });
});

test('where all records together take too much, nobody joins any more, and nothing is kept', async () => {
  const source = new Source();
  const memory = new RecordMemory(3_000);
  const call = fakeCall({ stream: true });
  const client = new FakeClient(call);
  const flight = new Flight(call, field(createFakeClock(), memory), { isKept: true, onEnd: () => {} });
  flight.start(source.next);
  source.answered.resolve(source.reply);
  client.receive(await flight.board(call));
  source.write('x'.repeat(1_000), true);
  expect(flight.isOpen).toBe(true);
  source.write('x'.repeat(3_000), true);
  expect(flight.isOpen).toBe(false);
  expect(memory.used).toBe(0);
  source.end();
  expect(client).toMatchObject({ complete: true, text: 'x'.repeat(4_000) });
});
