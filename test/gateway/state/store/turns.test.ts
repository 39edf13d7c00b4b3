import { expect, test } from 'vitest';
import { Turns } from '../../../../gateway/state/store/turns.ts';

test('so many run at once, the others in their order, and one that fails gives its turn back', async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const ends: ((fails: boolean) => void)[] = [];
  const run = (number: number) =>
    turns.run(
      () =>
        new Promise<number>((resolve, reject) => {
          begun.push(number);
          ends.push((fails) => (fails ? reject(new Error('no')) : resolve(number)));
        }),
    );
  const all = [1, 2, 3, 4].map(run);
  await Promise.resolve();
  expect(begun).toEqual([1, 2]);
  ends[0]!(true);
  await expect(all[0]).rejects.toThrow('no');
  await expect.poll(() => begun).toEqual([1, 2, 3]);
  ends[2]!(false);
  expect(await all[2]).toBe(3);
  await expect.poll(() => begun).toEqual([1, 2, 3, 4]);
  ends[1]!(false);
  ends[3]!(false);
  expect(await Promise.all([all[1], all[3]])).toEqual([2, 4]);
  expect(await turns.run(() => Promise.resolve('free'))).toBe('free');
});
