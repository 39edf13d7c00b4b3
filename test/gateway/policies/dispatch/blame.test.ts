import { describe, expect, test } from 'vitest';
import { Blame } from '../../../../gateway/policies/dispatch/blame.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { fail500, good, kindOf, setUp, textOf } from './dispatch-scene.ts';

const BODY = Buffer.from('a');
const OTHER = Buffer.from('b');

describe('a failure that a request may have brought about', () => {
  test('counts against a worker once for each body', () => {
    const blame = new Blame();
    expect([blame.isWorkers('w0', BODY, 0), blame.isWorkers('w0', BODY, 1), blame.isWorkers('w1', BODY, 2)]).toEqual([true, false, false]);
    expect(blame.isWorkers('w0', OTHER, 3)).toBe(true);
  });

  test('counts again when it has been forgotten', () => {
    const blame = new Blame();
    blame.isWorkers('w0', BODY, 0);
    expect(blame.hasFailedBefore(BODY, 60_000)).toBe(true);
    expect(blame.hasFailedBefore(BODY, 60_001)).toBe(false);
    expect(blame.isWorkers('w0', BODY, 60_001)).toBe(true);
  });

  test('does not count while others are answered by that worker', () => {
    const blame = new Blame();
    blame.answered('w0', 0);
    expect([blame.isWorkers('w0', BODY, 10_000), blame.isWorkers('w0', OTHER, 10_001)]).toEqual([false, true]);
    blame.answered('w1', 10_002);
    expect(blame.isWorkers('w0', Buffer.from('c'), 10_003)).toBe(true);
  });

  test('is remembered of a bounded number of bodies', () => {
    const blame = new Blame();
    for (let i = 0; i <= 1_000; i++) blame.isWorkers('w0', Buffer.from(String(i)), 0);
    expect([blame.hasFailedBefore(Buffer.from('0'), 0), blame.hasFailedBefore(Buffer.from('1'), 0)]).toEqual([false, true]);
  });
});

test('a client that repeats a body which fails opens no breaker, and is not retried once it is known', async () => {
  const t = setUp({ workers: 2, breaker: { failures: 2 } });
  const bad = () => fakeCall({ text: '{"response_format":"odd"}' });
  expect(kindOf(await t.sendTo(fail500, bad()))).toBe('upstream_error');
  expect(t.asked()).toEqual([1, 1]);
  for (let i = 0; i < 20; i++) expect(kindOf(await t.sendTo(fail500, bad()))).toBe('upstream_error');
  expect(t.asked().reduce((sum, asked) => sum + asked, 0)).toBe(22);
  expect([...t.dispatch.breakers.values()].map(({ state }) => state)).toEqual(['closed', 'closed']);
  expect(textOf(await t.sendTo(good))).toContain('Yes.');
});

test('bodies that fail one after the other, with nothing answered in between, still open a breaker', async () => {
  const t = setUp({ workers: 1, breaker: { failures: 3 } });
  for (let i = 0; i < 3; i++) await t.sendTo(fail500);
  expect(t.dispatch.breakers.get('w0')?.state).toBe('open');
});
