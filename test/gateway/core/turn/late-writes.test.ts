import { expect, test } from 'vitest';
import { type LateWriter, writeAtEndOfTurn } from '../../../../gateway/core/turn/late-writes.ts';

const turnsEnd = () => new Promise((resolve) => setImmediate(resolve));

test('all writers of a turn write at its end, in their order, and once', async () => {
  const written: number[] = [];
  for (const n of [1, 2, 3]) writeAtEndOfTurn({ writeLate: () => written.push(n) });
  expect(written).toEqual([]);
  await turnsEnd();
  expect(written).toEqual([1, 2, 3]);
  await turnsEnd();
  expect(written).toEqual([1, 2, 3]);
});

test('whom a writer has write writes in the same turn', async () => {
  const written: string[] = [];
  const inner: LateWriter = { writeLate: () => written.push('inner') };
  writeAtEndOfTurn({
    writeLate() {
      written.push('outer');
      writeAtEndOfTurn(inner);
    },
  });
  const after = new Promise<void>((resolve) => setImmediate(() => (written.push('next'), resolve())));
  await after;
  expect(written).toEqual(['outer', 'inner', 'next']);
});

test('one that throws keeps nobody else from writing', async () => {
  const thrown: unknown[] = [];
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.once('unhandledRejection', (error) => thrown.push(error));
  const written: string[] = [];
  writeAtEndOfTurn({
    writeLate() {
      throw new Error('broken');
    },
  });
  writeAtEndOfTurn({ writeLate: () => written.push('other') });
  await turnsEnd();
  await turnsEnd();
  for (const listener of listeners) process.on('unhandledRejection', listener);
  expect(written).toEqual(['other']);
  expect(thrown).toMatchObject([{ message: 'broken' }]);
});
