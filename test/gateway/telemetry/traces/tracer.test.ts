import { describe, expect, test } from 'vitest';
import { newAttempt } from '../../../../gateway/core/attempt.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Call } from '../../../../gateway/core/call.ts';
import { noteWait } from '../../../../gateway/core/call.ts';
import type { Outcome } from '../../../../gateway/core/reply.ts';
import type { FinishedSpan } from '../../../../gateway/telemetry/traces/finished-span.ts';
import { spanCount } from '../../../../gateway/telemetry/traces/request-spans.ts';
import { Tracer } from '../../../../gateway/telemetry/traces/tracer.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { callOf } from '../events/scene.ts';

const COMPLETE: Outcome = { kind: 'complete', status: 200 };

function scene(options: { readonly sampleRatio?: number; readonly slowMs?: number; readonly hasRoom?: boolean } = {}) {
  const clock = createFakeClock();
  const random = seededRandom(11);
  const digits = () =>
    Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  const traces: FinishedSpan[][] = [];
  const kept: string[] = [];
  const asked: number[] = [];
  const tracer = new Tracer({
    clock,
    newId: () => digits() + digits() + digits() + digits(),
    sampleRatio: options.sampleRatio ?? 0.03,
    slowMs: options.slowMs ?? 10_000,
    trustIncoming: false,
    maker: { origin: { resource: {} as never, scope: { name: 'test' } }, urlOf: () => null },
    queue: {
      hasRoomFor(spans) {
        asked.push(spans);
        return options.hasRoom ?? true;
      },
      add: (spans) => void traces.push([...spans]),
    },
    onKept: (why) => kept.push(why),
  });
  /** A whole request of so many ms. */
  async function request(ms: number, outcome: Outcome, status: number, more: Partial<Call> = {}): Promise<Call> {
    const call = callOf({}, { arrivedAt: clock.now(), trace: more.isLine ? tracer.line('batch_1') : tracer.request(undefined), ...more });
    tracer.listener.requestStarted!(call);
    await clock.advance(ms);
    tracer.listener.requestEnded!(call, outcome, status);
    return call;
  }
  return { clock, tracer, traces, kept, asked, request };
}

describe('of requests', () => {
  test('3 % of 3,000 are kept, and every one of 20 errors among them', async () => {
    const { traces, kept, request } = scene();
    for (let n = 0; n < 3_020; n++) {
      if (n % 151 === 0) await request(1, { kind: 'broken', error: new GatewayError('upstream_disconnected', 'gone') }, 200);
      else await request(1, COMPLETE, 200);
    }
    expect(kept.filter((why) => why === 'error')).toHaveLength(20);
    const share = kept.filter((why) => why === 'sampled').length / 3_000;
    expect(share).toBeGreaterThan(0.02);
    expect(share).toBeLessThan(0.04);
    expect(traces).toHaveLength(kept.length);
  });

  test('none is kept with a ratio of 0, all with 1', async () => {
    for (const sampleRatio of [0, 1]) {
      const { kept, request } = scene({ sampleRatio });
      for (let n = 0; n < 200; n++) await request(1, COMPLETE, 200);
      expect(kept).toHaveLength(200 * sampleRatio);
    }
  });

  test('those from slow_ms on are kept', async () => {
    const { kept, request } = scene({ sampleRatio: 0, slowMs: 50 });
    await request(49, COMPLETE, 200);
    expect(kept).toEqual([]);
    await request(50, COMPLETE, 200);
    expect(kept).toEqual(['slow']);
  });

  test('a client that has left is no error; what clients do wrong is kept ten times a second', async () => {
    const { clock, kept, request } = scene({ sampleRatio: 0 });
    await request(1, { kind: 'disconnected', phase: 'stream' }, 499);
    expect(kept).toEqual([]);
    const bad: Outcome = { kind: 'refused', error: new GatewayError('rate_limited', 'too many') };
    for (let n = 0; n < 50; n++) await request(0, bad, 429);
    expect(kept).toHaveLength(10);
    await clock.advance(1_000);
    await request(0, bad, 429);
    expect(kept).toHaveLength(11);
    // What is ours is kept more often, whatever status the settings give it; but a crowd that is turned away must not cost much.
    for (let n = 0; n < 50; n++) await request(0, { kind: 'refused', error: new GatewayError('queue_full', 'no room') }, 429);
    expect(kept).toHaveLength(61);
    for (let n = 0; n < 300; n++) await request(0, { kind: 'refused', error: new GatewayError('queue_full', 'no room') }, 503);
    expect(kept).toHaveLength(211);
    // What a worker was asked in vain is kept without limit.
    const attempts = [newAttempt('a', null)];
    for (let n = 0; n < 300; n++) await request(0, { kind: 'refused', error: new GatewayError('upstream_error', 'no') }, 502, { attempts });
    expect(kept).toHaveLength(511);
  });

  test('lines of batches have a root of their own kind, and one that is put off is no error', async () => {
    const { kept, traces, request } = scene({ sampleRatio: 0 });
    await request(1, { kind: 'refused', error: new GatewayError('queue_full', 'no room') }, 503, { isLine: true });
    expect(kept).toEqual([]);
    await request(1, { kind: 'complete', status: 500 }, 500, { isLine: true });
    expect(kept).toEqual(['error']);
    expect(traces[0]![0]).toMatchObject({ name: 'batch line', kind: 4, attributes: { 'headgate.batch.id': 'batch_1' } });
  });

  test('the spans of a request add up to its time', async () => {
    const { clock, tracer, traces } = scene({ sampleRatio: 1 });
    const call = callOf({}, { arrivedAt: clock.now(), trace: tracer.request(undefined) });
    const wait = async (kind: 'queue' | 'window', ms: number): Promise<void> => {
      await clock.advance(ms);
      noteWait(call, kind, clock.now() - ms, clock.now());
    };
    await clock.advance(3);
    tracer.listener.requestStarted!(call);
    await wait('queue', 40);
    tracer.listener.admitted!(call);
    await wait('window', 20);
    for (const [at, ms] of [50, 300].entries()) {
      call.attempts.push(newAttempt(`w${at}`, null));
      call.trace!.beginAttempt(clock.now());
      await clock.advance(ms);
      tracer.listener.attemptEnded!(call, call.attempts[at]!);
    }
    tracer.listener.requestEnded!(call, COMPLETE, 200);
    const ms = ({ startTime, endTime }: FinishedSpan): number =>
      Math.round((endTime[0] - startTime[0]) * 1e3 + (endTime[1] - startTime[1]) / 1e6);
    const [root, ...children] = traces[0]!;
    const below = (id: string) => children.filter((child) => child.parentSpanContext?.spanId === id);
    const parts = below(root!.spanContext().spanId);
    expect(parts.map((child) => [child.name.split(' ')[0], ms(child)])).toEqual([
      ['receive', 3],
      ['admission', 40],
      ['window', 20],
      ['chat', 50],
      ['chat', 300],
    ]);
    expect(ms(root!)).toBe(parts.reduce((sum, child) => sum + ms(child), 0));
    // What is within another one is no time of its own.
    expect(below(parts[1]!.spanContext().spanId).map((child) => [child.name, ms(child)])).toEqual([['queue', 40]]);
  });

  test('no span is made where the queue has no room, and as many are counted as would have been made', async () => {
    for (const hasRoom of [true, false]) {
      const { clock, tracer, asked, traces } = scene({ sampleRatio: 1, hasRoom });
      const call = callOf({}, { arrivedAt: clock.now(), trace: tracer.request(undefined) });
      tracer.listener.requestStarted!(call);
      noteWait(call, 'queue', clock.now(), clock.now() + 1);
      call.attempts.push(newAttempt('a', null), newAttempt('b', null));
      for (let n = 0; n < 2; n++) call.trace!.beginAttempt(clock.now());
      await clock.advance(5);
      tracer.listener.requestEnded!(call, COMPLETE, 200);
      expect(asked).toEqual([6]);
      expect(spanCount(call.trace!)).toBe(6);
      expect(traces.map((spans) => spans.length)).toEqual(hasRoom ? [6] : []);
      expect(call.trace!.kept).toBe(hasRoom ? 'sampled' : null);
    }
  });

  test('what ends after its request ends with it, in its spans', async () => {
    const { clock, tracer, traces } = scene({ sampleRatio: 1 });
    const call = callOf({}, { arrivedAt: clock.now(), trace: tracer.request(undefined) });
    call.attempts.push(newAttempt('a', null));
    call.trace!.beginAttempt(clock.now());
    await clock.advance(5);
    tracer.listener.requestEnded!(call, COMPLETE, 200);
    await clock.advance(5);
    tracer.listener.attemptEnded!(call, call.attempts[0]!);
    const [root, ...children] = traces[0]!;
    for (const child of children) {
      expect(child.endTime).toEqual(root!.endTime);
      expect(child.parentSpanContext?.spanId).toBe(root!.spanContext().spanId);
    }
  });

  test('one that is answered by another’s answer is linked to that one', async () => {
    const { tracer, traces, request } = scene({ sampleRatio: 1 });
    const rides = callOf({}, { trace: tracer.request(undefined) });
    await request(1, COMPLETE, 200, { rides });
    const [link] = traces[0]![0]!.links;
    expect(link!.context).toMatchObject({ traceId: rides.trace!.traceId, spanId: rides.trace!.spanId });
  });
});
