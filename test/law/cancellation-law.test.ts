import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cancellation } from '../../gateway/core/cancellation.ts';
import { GatewayError } from '../../gateway/core/errors.ts';

const LATE = new GatewayError('deadline', 'too late');
const GONE = new GatewayError('client_disconnected', 'gone');

describe('a listener', () => {
  test('is called once, with the first reason, however often it is cancelled', () => {
    const cancellation = new Cancellation();
    const heard: GatewayError[] = [];
    cancellation.onCancel((reason) => heard.push(reason));
    expect(cancellation.cancelled).toBe(false);
    cancellation.cancel(LATE);
    cancellation.cancel(GONE);
    expect(heard).toEqual([LATE]);
    expect(cancellation.reason).toBe(LATE);
  });

  test('that comes late is called at once, and taking it off again does nothing', () => {
    const cancellation = new Cancellation();
    cancellation.cancel(GONE);
    const heard: GatewayError[] = [];
    const off = cancellation.onCancel((reason) => heard.push(reason));
    expect(heard).toEqual([GONE]);
    off();
    off();
  });

  test('that was taken off is not called, even by another listener of the same cancellation', () => {
    const cancellation = new Cancellation();
    let called = 0;
    cancellation.onCancel(() => off());
    const off = cancellation.onCancel(() => called++);
    cancellation.cancel(GONE);
    expect(called).toBe(0);
  });

  test('that is added by another listener of the same cancellation is called at once', () => {
    const cancellation = new Cancellation();
    const order: string[] = [];
    cancellation.onCancel(() => {
      cancellation.onCancel(() => order.push('inner'));
      order.push('outer');
    });
    cancellation.cancel(GONE);
    expect(order).toEqual(['inner', 'outer']);
  });

  test('may cancel again without anyone hearing it twice', () => {
    const cancellation = new Cancellation();
    const heard: GatewayError[] = [];
    cancellation.onCancel((reason) => {
      heard.push(reason);
      cancellation.cancel(LATE);
    });
    cancellation.cancel(GONE);
    expect(heard).toEqual([GONE]);
  });
});

test('throwIfCancelled throws the reason itself', () => {
  const cancellation = new Cancellation();
  cancellation.throwIfCancelled();
  cancellation.cancel(LATE);
  expect(() => cancellation.throwIfCancelled()).toThrow(LATE);
});

describe('as an AbortSignal', () => {
  test('aborts with the reason, at once or later', () => {
    const cancellation = new Cancellation();
    const before = cancellation.toAbortSignal();
    expect(before.signal.aborted).toBe(false);
    cancellation.cancel(GONE);
    const after = cancellation.toAbortSignal();
    expect([before.signal.reason, after.signal.reason]).toEqual([GONE, GONE]);
  });

  test('disposed of, it stays as it was', () => {
    const cancellation = new Cancellation();
    const { signal, dispose } = cancellation.toAbortSignal();
    dispose();
    cancellation.cancel(GONE);
    expect(signal.aborted).toBe(false);
  });
});

type Step = { readonly do: 'add' | 'cancel' } | { readonly do: 'remove'; readonly which: number };

test('in whatever order listeners come, go and the cancellation falls: each hears it once, unless it went before', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 5, arbitrary: fc.constant<Step>({ do: 'add' }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'cancel' }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const cancellation = new Cancellation();
      const listeners: { heard: number; goneBefore: boolean; off: () => void }[] = [];
      for (const next of steps) {
        if (next.do === 'cancel') cancellation.cancel(GONE);
        else if (next.do === 'remove') {
          const listener = listeners[next.which % Math.max(1, listeners.length)];
          if (!listener) continue;
          listener.goneBefore ||= !cancellation.cancelled;
          listener.off();
        } else {
          const listener = { heard: 0, goneBefore: false, off: (): void => {} };
          listener.off = cancellation.onCancel(() => listener.heard++);
          listeners.push(listener);
        }
      }
      for (const { heard, goneBefore } of listeners) expect(heard).toBe(cancellation.cancelled && !goneBefore ? 1 : 0);
    }),
    { numRuns: 500 },
  );
});
