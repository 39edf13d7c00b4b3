import { expect, test } from 'vitest';
import { Places } from '../../../../gateway/http/stored/places.ts';

test('nobody has more than his share, nor all together more than there are; what is given back is free once', async () => {
  const places = new Places('uploads', { all: 3, each: 2 });
  const [first, second] = [places.take('a'), places.take('a')];
  expect(() => places.take('a')).toThrow('Too many uploads');
  const third = places.take('b');
  expect(() => places.take('c')).toThrow('Too many uploads');
  let isIdle = false;
  void places.idle().then(() => (isIdle = true));
  first.release();
  first.release();
  const again = places.take('c');
  expect(() => places.take('b')).toThrow('Too many uploads');
  for (const lease of [second, third, again]) {
    await Promise.resolve();
    expect(isIdle).toBe(false);
    lease.release();
  }
  await places.idle();
  expect(isIdle).toBe(true);
});
