import { describe, expect, test } from 'vitest';
import type { Call, Prefix } from '../../../../gateway/core/call.ts';
import type { SentPrompt } from '../../../../gateway/policies/prefix/prefix-news.ts';
import { fakeCall } from '../../../support/fake-call.ts';
import { DONE_EVENT, finishEvent, tokenEvent } from '../../../support/fake-worker.ts';
import { die, good, once, type Sent, setUp } from './dispatch-scene.ts';

const PREFIX = { balancer: { affinity: 'prefix' as const } };
const prefixOf = (blocks: readonly number[]): Prefix => ({ blocks, size: blocks.length });
const upTo = (count: number, from = 1): number[] => Array.from({ length: count }, (_, i) => from + i);
const of = (blocks: readonly number[], stream = false): Call => fakeCall({ prefix: prefixOf(blocks), stream });
const workerOf = ({ call }: Sent): string => call.attempts.at(-1)!.worker;

describe('prompts', () => {
  test('of a conversation go where it began, however it goes on', async () => {
    const t = setUp({ workers: 4, ...PREFIX });
    for (let conversation = 1; conversation <= 8; conversation++) {
      const first = workerOf(await t.sendTo(good, of(upTo(3, conversation * 1_000))));
      for (let turn = 2; turn <= 5; turn++) expect(workerOf(await t.sendTo(good, of(upTo(3 * turn, conversation * 1_000))))).toBe(first);
    }
    expect(t.dispatch.prefixes.figures).toMatchObject({ new: 8, held: 32, spilled: 0, blocks: 8 * 15 });
    expect(
      t.events
        .of('prefixRouted')
        .slice(0, 2)
        .map(([, ...told]) => told),
    ).toEqual([
      ['new', 3, 0],
      ['held', 6, 3],
    ]);
  });

  test('of a worker that ends are new to the others, and to its next life', async () => {
    const t = setUp({ workers: 2, ...PREFIX });
    const first = workerOf(await t.sendTo(good, of(upTo(9))));
    const worker = t.workers.find(({ id }) => id === first)!;
    t.directory.setState(worker, 'backoff');
    expect(t.dispatch.prefixes.figures).toMatchObject({ blocks: 0, bytes: 0 });
    t.directory.setState(worker, 'ready');
    await t.sendTo(good, of(upTo(9)));
    expect(t.dispatch.prefixes.figures).toMatchObject({ new: 2, held: 0 });
  });

  test('go with a call that is tried elsewhere', async () => {
    const t = setUp({ workers: 2, ...PREFIX });
    const { call } = await t.sendTo(once(die), of(upTo(9)));
    t.directory.setState(
      t.workers.find(({ id }) => id === call.attempts[0]!.worker)!,
      'backoff',
    );
    t.directory.setState(
      t.workers.find(({ id }) => id === call.attempts[0]!.worker)!,
      'ready',
    );
    const again = await t.sendTo(good, of(upTo(12)));
    expect(workerOf(again)).toBe(call.attempts[1]!.worker);
  });

  test('keep others away while they are read, and no longer', async () => {
    const t = setUp({ workers: 2, ...PREFIX });
    const shared = upTo(4);
    const long = t.send(of([...shared, ...upTo(200, 10_000)], true));
    await t.settle();
    const busy = workerOf(long);
    // What little they share is not worth the wait.
    const second = t.send(of([...shared, ...upTo(20, 20_000)], true));
    await t.settle();
    expect(workerOf(second)).not.toBe(busy);
    const other = t.workers.find(({ id }) => id !== busy)!;
    other.last.sent().head().frames(tokenEvent(), finishEvent(), DONE_EVENT).end();
    const worker = t.workers.find(({ id }) => id === busy)!;
    worker.last.sent().head().frames(tokenEvent());
    await t.settle();
    // It has begun to answer, and only runs: what it has of this one counts again.
    const third = t.send(of([...shared, ...upTo(200, 10_000), 5, 6], true));
    await t.settle();
    expect(workerOf(third)).toBe(busy);
  });

  test('without a block, or with affinity none, go by the policy', async () => {
    const t = setUp({ workers: 4, ...PREFIX });
    for (let i = 0; i < 8; i++) await t.sendTo(good, fakeCall());
    expect(t.asked()).toEqual([2, 2, 2, 2]);
    const off = setUp({ workers: 4 });
    for (let i = 0; i < 8; i++) await off.sendTo(good, of(upTo(9)));
    expect(off.asked()).toEqual([2, 2, 2, 2]);
    expect(off.dispatch.prefixes.figures).toMatchObject({ blocks: 0, new: 0, sent: 0 });
  });

  test('are forgotten when nobody asks for them any more', async () => {
    const balancer: { affinity: 'prefix' | 'none' } = { affinity: 'prefix' };
    const t = setUp({ workers: 2, balancer });
    await t.sendTo(good, of(upTo(9)));
    balancer.affinity = 'none';
    t.dispatch.configure();
    expect(t.dispatch.prefixes.figures).toMatchObject({ blocks: 0, bytes: 0, new: 1 });
  });
});

describe('several processes', () => {
  test('tell each other, so that a conversation goes on where it is whoever has its next call', async () => {
    const told: (readonly SentPrompt[])[] = [];
    const one = setUp({ workers: 4, ...PREFIX, onPrompts: (prompts) => told.push(prompts) });
    const other = setUp({ workers: 4, ...PREFIX, onPrompts: () => {} });
    for (let conversation = 1; conversation <= 12; conversation++) {
      const first = workerOf(await one.sendTo(good, of(upTo(5, conversation * 1_000))));
      await one.clock.advance(100);
      other.dispatch.prefixes.take(told.at(-1)!);
      expect(workerOf(await other.sendTo(good, of(upTo(8, conversation * 1_000))))).toBe(first);
    }
    expect(other.dispatch.prefixes.figures).toMatchObject({ held: 12, new: 0 });
    // Of a worker that it does not know, and where nobody wants it, it keeps nothing.
    const before = other.dispatch.prefixes.figures.blocks;
    other.dispatch.prefixes.take([['w9', [1, 2]]]);
    expect(other.dispatch.prefixes.figures.blocks).toBe(before);
    const off = setUp({ workers: 2 });
    off.dispatch.prefixes.take([['w0', [1, 2]]]);
    expect(off.dispatch.prefixes.figures.blocks).toBe(0);
  });
});
