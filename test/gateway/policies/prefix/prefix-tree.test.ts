import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Prefix } from '../../../../gateway/core/call.ts';
import { PrefixTree } from '../../../../gateway/policies/prefix/prefix-tree.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const prefixOf = (blocks: readonly number[]): Prefix => ({ blocks, size: blocks.length });

function setUp(count: number, mostBytes?: number) {
  const workers = Array.from({ length: count }, (_, i) => new FakeWorker(`w${i}`));
  return { workers, tree: new PrefixTree(() => workers, mostBytes) };
}

describe('what workers have of a prompt', () => {
  test('is what they were sent, each for itself', () => {
    const { workers, tree } = setUp(2);
    tree.hold(workers[0]!, [1, 2, 3]);
    tree.hold(workers[1]!, [1]);
    expect(workers.map((worker) => tree.matched(worker, prefixOf([1, 2, 4])))).toEqual([2, 1]);
    expect(tree.figures.blocks).toBe(4);
  });

  test('is nothing in another life, before and after that is noticed', () => {
    const { workers, tree } = setUp(2);
    const [worker] = workers as [FakeWorker];
    tree.hold(worker, [1, 2]);
    worker.life = { since: 5 };
    expect(tree.matched(worker, prefixOf([1, 2]))).toBe(0);
    tree.forgetEnded();
    expect(tree.figures).toEqual({ blocks: 0, bytes: 0 });
    tree.hold(worker, [1]);
    expect(tree.matched(worker, prefixOf([1, 2]))).toBe(1);
  });

  test('is not known of a worker that is not there, and what it was to read is not counted', () => {
    const { workers, tree } = setUp(1);
    const [worker] = workers as [FakeWorker];
    worker.life = null;
    tree.hold(worker, [1]);
    const done = tree.reading(worker, 7);
    expect([tree.figures.blocks, tree.unread(worker)]).toEqual([0, 0]);
    done();
    expect(tree.unread(worker)).toBe(0);
  });

  test('is no more than the cache of the worker holds, where that is known', () => {
    const { workers, tree } = setUp(1);
    const [worker] = workers as [FakeWorker];
    worker.load.kvCacheTokens = 48_000;
    tree.hold(worker, upTo(3_000));
    expect(tree.matched(worker, prefixOf(upTo(3_000)))).toBe(1_000);
    // It came back with less room in the same life: a scrape tells.
    worker.load.kvCacheTokens = 9_600;
    tree.hold(worker, upTo(3_000));
    expect(tree.matched(worker, prefixOf(upTo(3_000)))).toBe(200);
  });

  test('takes no more memory than it may, however many workers come and whatever they are sent', () => {
    const mostBytes = 100_000;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(7), fc.nat(20), fc.integer({ min: 1, max: 2_000 })), { maxLength: 40 }), (told) => {
        const all = setUp(8).workers;
        const present: FakeWorker[] = [];
        const tree = new PrefixTree(() => present, mostBytes);
        for (const [at, prompt, length] of told) {
          const worker = all[at]!;
          if (!present.includes(worker)) {
            present.push(worker);
            tree.forgetEnded();
          } else if (prompt === 0) {
            present.splice(present.indexOf(worker), 1);
            tree.forgetEnded();
            continue;
          }
          tree.hold(worker, upTo(length, prompt * 10_000));
          expect(tree.figures.bytes).toBeLessThanOrEqual(mostBytes);
        }
        // Whoever has left has nothing.
        for (const worker of all) {
          if (!present.includes(worker))
            for (let prompt = 0; prompt <= 20; prompt++) expect(tree.matched(worker, prefixOf([prompt * 10_000]))).toBe(0);
        }
      }),
    );
  });
});

test('what a worker has to read is counted until it begins to answer, once', () => {
  const { workers, tree } = setUp(1);
  const [worker] = workers as [FakeWorker];
  tree.hold(worker, [1]);
  const first = tree.reading(worker, 10);
  const second = tree.reading(worker, 2.5);
  expect(tree.unread(worker)).toBe(12.5);
  first();
  first();
  expect(tree.unread(worker)).toBe(2.5);
  // A call of the life before says nothing of this one.
  worker.life = { since: 9 };
  tree.hold(worker, [1]);
  second();
  expect(tree.unread(worker)).toBe(0);
});
