import fc from 'fast-check';
import PQueue from 'p-queue';
import { describe, expect, test } from 'vitest';
import { FairLine, type LineOptions } from '../../../../gateway/policies/admission/fair-line.ts';

/** The order in which calls, named FLOW + number, leave a line into which they came in this order. */
function orderOf(calls: readonly { readonly flow: string; readonly priority?: number }[]): string[] {
  const line = new FairLine();
  const left: string[] = [];
  for (const [i, { flow, priority = 0 }] of calls.entries()) {
    line.enqueue(async () => void left.push(`${flow}${i}`), { flow, priority, id: String(i) });
  }
  for (let run = line.dequeue(); run; run = line.dequeue()) void run();
  return left;
}

const of = (flow: string, count: number, priority = 0) => Array.from({ length: count }, () => ({ flow, priority }));

describe('a line', () => {
  test('of one key is in the order of coming', () => {
    expect(orderOf(of('a', 4))).toEqual(['a0', 'a1', 'a2', 'a3']);
  });

  test('of several lets them take turns', () => {
    expect(orderOf([...of('a', 4), ...of('b', 2), ...of('c', 1)])).toEqual(['a0', 'b4', 'c6', 'a1', 'b5', 'a2', 'a3']);
  });

  test('holds the next call of a quiet key up by one place, however many another has', () => {
    const line = new FairLine();
    const left: string[] = [];
    for (let i = 0; i < 500; i++) line.enqueue(async () => void left.push('flood'), { flow: 'flood' });
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < 5; i++) void line.dequeue()!();
      left.length = 0;
      line.enqueue(async () => void left.push('quiet'), { flow: 'quiet' });
      void line.dequeue()!();
      void line.dequeue()!();
      expect(left).toContain('quiet');
    }
  });

  test('lets the higher priority go first, and every ninth turn is the lower class’s', () => {
    const order = orderOf([...of('batch', 4, 0), ...of('now', 20, 2), ...of('again', 1, 3)]);
    expect(order.slice(0, 9)).toEqual(['again24', ...Array.from({ length: 7 }, (_, i) => `now${4 + i}`), 'batch0']);
    expect(order.indexOf('batch1')).toBe(17);
    expect(order.slice(-2)).toEqual(['batch2', 'batch3']);
  });

  test('forgets who leaves', () => {
    const line = new FairLine();
    const left: string[] = [];
    for (const name of ['a', 'b', 'c']) line.enqueue(async () => void left.push(name), { flow: name, id: name });
    line.remove('b');
    line.remove('nobody');
    expect([line.size, line.filter({ priority: 0 }).length, line.filter({ priority: 2 }).length]).toEqual([2, 2, 0]);
    for (let run = line.dequeue(); run; run = line.dequeue()) void run();
    expect(left).toEqual(['a', 'c']);
  });

  test('loses nobody and lets nobody go twice, whoever comes and leaves', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('come' as const), flow: fc.constantFrom('a', 'b', 'c'), priority: fc.constantFrom(0, 1, 2, 3) }),
      fc.record({ kind: fc.constant('go' as const) }),
      fc.record({ kind: fc.constant('leave' as const), which: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const line = new FairLine();
        const waiting = new Set<string>();
        let next = 0;
        let went = '';
        const go = (): void => {
          const run = line.dequeue();
          if (run === undefined) return expect(waiting.size).toBe(0);
          void run();
          expect(waiting.delete(went)).toBe(true);
        };
        for (const each of steps) {
          if (each.kind === 'come') {
            const id = String(next++);
            waiting.add(id);
            line.enqueue(async () => void (went = id), { ...each, id });
          } else if (each.kind === 'leave') {
            line.remove(String(each.which));
            waiting.delete(String(each.which));
          } else go();
          expect(line.size).toBe(waiting.size);
        }
        while (waiting.size > 0) go();
        expect(line.dequeue()).toBeUndefined();
      }),
    );
  });

  test('is one that p-queue keeps: whoever gives up is gone from it', async () => {
    const queue = new PQueue<FairLine, LineOptions>({ autoStart: false, queueClass: FairLine, concurrency: 1 });
    const left: string[] = [];
    const leaving = new AbortController();
    const calls = ['a', 'b', 'c'].map((name) =>
      queue.add(() => void left.push(name), { id: name, flow: name, ...(name === 'b' ? { signal: leaving.signal } : {}) }),
    );
    const b = calls[1]!.catch((error: unknown) => error);
    leaving.abort(new Error('gone'));
    expect(await b).toEqual(new Error('gone'));
    expect(queue.size).toBe(2);
    queue.start();
    await Promise.all([calls[0], calls[2]]);
    expect(left).toEqual(['a', 'c']);
  });
});
