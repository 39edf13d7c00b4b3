import { expect, test } from 'vitest';
import { Turns } from '../../../../gateway/http/body/turns.ts';

test('what asks together gets a turn of the event loop each, in order, and others come between, with all that follows from them', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const all = ['a', 'b', 'c'].map(async (name) => {
    await turns.next();
    order.push(name);
    setImmediate(() => {
      order.push('accepted');
      setImmediate(() => order.push('read'));
    });
  });
  await Promise.all(all);
  expect(order).toEqual(['a', 'accepted', 'read', 'b', 'accepted', 'read', 'c']);
});
