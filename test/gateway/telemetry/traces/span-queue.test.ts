import { describe, expect, test } from 'vitest';
import type { FinishedSpan } from '../../../../gateway/telemetry/traces/finished-span.ts';
import { LossLog } from '../../../../gateway/telemetry/traces/loss-log.ts';
import { SpanQueue, type SpanSender } from '../../../../gateway/telemetry/traces/span-queue.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

const spans = (count: number) => Array.from({ length: count }, () => ({}) as FinishedSpan);

function scene(send: SpanSender['send']) {
  const clock = createFakeClock();
  const sent: number[] = [];
  const lost: [string, number][] = [];
  let closed = 0;
  const queue = new SpanQueue({
    clock,
    sender: { send, close: () => void closed++ },
    onSent: (count) => void sent.push(count),
    onLost: (reason, count) => void lost.push([reason, count]),
  });
  const offer = (count: number): void => {
    if (queue.hasRoomFor(count)) queue.add(spans(count));
  };
  return { clock, queue, sent, lost, offer, closes: () => closed };
}

describe('spans', () => {
  test('leave two seconds after the first of them came, or as soon as they are many', async () => {
    const { clock, sent, offer } = scene(async () => 0);
    offer(5);
    await clock.advance(1_999);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([5]);
    offer(128);
    await clock.advance(0);
    expect(sent).toEqual([5, 128]);
    expect(clock.pending).toBe(0);
  });

  test('that a collector does not take are lost, and counted', async () => {
    const { clock, sent, lost, offer } = scene(async (some) => {
      if (some.length > 3) throw new Error('no');
      return 1;
    });
    offer(5);
    await clock.advance(2_000);
    offer(3);
    await clock.advance(2_000);
    expect(lost).toEqual([
      ['failed', 5],
      ['rejected', 1],
    ]);
    expect(sent).toEqual([2]);
  });

  test('wait in bounds while a collector says nothing, and are lost beyond', async () => {
    const { clock, lost, offer, queue } = scene(() => new Promise(() => {}));
    for (let n = 0; n < 2_000; n++) offer(5);
    await clock.advance(60_000);
    const taken = 2_000 * 5 - lost.reduce((sum, [, count]) => sum + count, 0);
    expect(taken).toBeLessThanOrEqual(4_096 + 4 * 128);
    expect(new Set(lost.map(([reason]) => reason))).toEqual(new Set(['queue_full']));
    const closing = queue.close(2_000);
    await clock.advance(2_000);
    await closing;
    expect(lost.at(-1)).toEqual(['shutdown', taken]);
    expect(clock.pending).toBe(0);
  });

  test('that wait at the end are sent before it, all of them', async () => {
    const { clock, queue, sent, lost, offer, closes } = scene(async () => 0);
    for (let n = 0; n < 20; n++) offer(5);
    await Promise.all([queue.close(2_000), clock.advance(0)]);
    expect(sent.reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(lost).toEqual([]);
    expect(closes()).toBe(1);
    offer(1);
    expect(lost).toEqual([['shutdown', 1]]);
  });
});

test('losses are told at once, then once a minute with how many they were', async () => {
  const clock = createFakeClock();
  const lines: string[] = [];
  const log = new LossLog({ warn: (_event, message) => void lines.push(message) }, clock, 'http://c/v1/traces');
  log.lost('failed', 5, 'connect ECONNREFUSED');
  for (let n = 0; n < 100; n++) log.lost('queue_full', 2, null);
  log.lost('failed', 7, '503');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('http://c/v1/traces: 5 because it did not take them (connect ECONNREFUSED)');
  await clock.advance(60_000);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/200 because they came faster than it takes them, 7 because it did not take them \(503\)/);
  await clock.advance(600_000);
  expect(lines).toHaveLength(2);
  expect(clock.pending).toBe(0);
});
