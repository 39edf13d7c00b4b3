import { describe, expect, test } from 'vitest';
import { newAttempt } from '../../../../gateway/core/attempt.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Reply } from '../../../../gateway/core/reply.ts';
import { clientGone, fakeCall } from '../../../support/fake-call.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { refusal, setUp, type Setup } from './admission-scene.ts';

/** No worker has the model, and a supervisor could load it in `etaSeconds`. */
function unloaded(etaSeconds: number | null, setup: Setup = {}) {
  const t = setUp({ workers: [new FakeWorker('w0', { state: 'draining', maxNumSeqs: 1 })], ...setup });
  t.directory.setModel(MODEL, 'available', etaSeconds, true);
  return t;
}

describe('calls for a model that can be loaded', () => {
  test('wait for it, wish for it as long as they do, and enter when a worker has it', async () => {
    const t = unloaded(3);
    t.enter({ id: 'a' });
    t.enter({ id: 'b' });
    await t.clock.advance(1000);
    expect(t.order).toEqual([]);
    expect(t.wishes.at(0)).toEqual([MODEL, 1]);
    expect(t.wishes.at(-1)).toEqual([MODEL, 2]);
    const sofar = t.wishes.length;
    expect(sofar).toBeGreaterThan(3);
    t.directory.setModel(MODEL, 'loading', 2, true);
    await t.clock.advance(2000);
    expect(t.wishes.length).toBeGreaterThan(sofar);
    t.directory.setState(t.workers[0]!, 'ready');
    await t.settle();
    expect(t.order).toEqual(['a']);
    const met = t.wishes.length;
    t.leave('a');
    await t.clock.advance(1000);
    expect(t.order).toEqual(['a', 'b']);
    expect(t.wishes).toHaveLength(met);
    t.leave('b');
    expect(t.clock.pending).toBe(0);
  });

  test.each<[string, Setup, number]>([
    ['the queue allows', { queue_timeout_ms: 10_000 }, 11],
    ['the call itself has', { queue_timeout_ms: 600_000 }, 61],
  ])('are refused at once when it takes longer than %s, and it is loaded for when they come back', async (_what, setup, eta) => {
    const t = unloaded(eta, setup);
    const error = await refusal(t.enter());
    expect(error).toMatchObject({ kind: 'model_loading', status: 503, details: { retryAfterMs: eta * 1000 } });
    expect(error.message).toContain(`about ${eta} s`);
    expect(t.wishes).toEqual([[MODEL, 1]]);
    t.directory.setModel(MODEL, 'available', eta - 1, true);
    const later = t.enter({ id: 'later' });
    await t.settle();
    expect(t.admission.depth('interactive')).toBe(1);
    later.call.cancellation.cancel(clientGone());
    expect((await refusal(later)).kind).toBe('client_disconnected');
  });

  test('are refused as well when their coming shows that the model in the way stays for longer than was known', async () => {
    const t = unloaded(3, { queue_timeout_ms: 10_000 });
    const first = t.enter();
    await t.clock.advance(500);
    t.directory.setModel(MODEL, 'available', 36, true);
    await t.clock.advance(500);
    expect(await refusal(first)).toMatchObject({ kind: 'model_loading', details: { retryAfterMs: 36_000 } });

    // Once that is known an estimate that grows is no reason to send anybody away.
    t.directory.setModel(MODEL, 'loading', 8, true);
    t.enter({ id: 'later' });
    await t.clock.advance(4000);
    t.directory.setModel(MODEL, 'loading', 12, true);
    await t.clock.advance(1000);
    expect(t.admission.depth('interactive')).toBe(1);
    t.directory.setState(t.workers[0]!, 'ready');
    await t.settle();
    expect(t.order).toEqual(['later']);
    t.leave('later');
  });

  test('are waited for in a room of the usual size', async () => {
    const t = unloaded(3, { max_queue: 2 });
    t.enter();
    t.enter();
    expect(await refusal(t.enter())).toMatchObject({ kind: 'queue_full', details: { retryAfterMs: 3000 } });
    expect(await refusal(unloaded(3, { max_queue: 0 }).enter())).toMatchObject({ kind: 'model_loading' });
  });

  test('learn that it is still loading when they have waited too long', async () => {
    const t = unloaded(3, { queue_timeout_ms: 5000 });
    const entered = t.enter();
    await t.clock.advance(4000);
    t.directory.setModel(MODEL, 'loading', 9, true);
    await t.clock.advance(1000);
    expect(await refusal(entered)).toMatchObject({ kind: 'model_loading', details: { retryAfterMs: 9000 } });
    expect(t.clock.pending).toBe(0);
  });

  test('are all refused as soon as it has failed', async () => {
    const t = unloaded(3);
    const entered = [t.enter(), t.enter(), t.enter()];
    await t.settle();
    t.directory.setModel(MODEL, 'failed');
    for (const one of entered) expect(await refusal(one)).toMatchObject({ kind: 'no_worker' });
    expect(t.admission.depth('interactive')).toBe(0);
    expect(t.clock.pending).toBe(0);
  });
});

describe('a call whose worker gets another model while it is held on its way there', () => {
  const loading = new GatewayError('model_loading', 'gone');

  test('waits for the next, and is booked as admitted once', async () => {
    const t = setUp();
    t.directory.setModel(MODEL, 'ready', null, true);
    const reply = {} as Reply;
    let tries = 0;
    const handler = t.passed(async () => {
      tries += 1;
      if (tries > 1) return { ...reply, ended: { onSettled: () => {} } } as unknown as Reply;
      t.directory.setState(t.workers[0]!, 'draining');
      throw loading;
    });
    const answered = handler(fakeCall({ arrivedAt: t.clock.now() }));
    await t.clock.advance(500);
    expect([tries, t.admission.inUse(), t.admission.depth('interactive')]).toEqual([1, 0, 1]);
    t.directory.setState(t.workers[0]!, 'ready');
    await t.settle();
    await answered;
    expect(tries).toBe(2);
    expect(t.events.count('admitted')).toBe(1);
  });

  test('is refused where nobody can load it again, or where it has been sent already', async () => {
    const t = setUp();
    const fails = t.passed(() => Promise.reject(loading));
    await expect(fails(fakeCall())).rejects.toBe(loading);
    t.directory.setModel(MODEL, 'ready', null, true);
    const call = fakeCall();
    call.attempts.push(newAttempt('w0', null));
    await expect(fails(call)).rejects.toBe(loading);
    expect(t.admission.inUse()).toBe(0);
  });
});
