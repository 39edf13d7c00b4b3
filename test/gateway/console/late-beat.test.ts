import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { Feed } from '../../../gateway/console/feed.ts';
import type { Moment } from '../../../gateway/console/observer.ts';
import type { AdminStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

test('a look that comes late leaves no second out, and none is told twice', async () => {
  const clock = createFakeClock();
  const seconds: number[] = [];
  let held: Promise<void> | undefined;
  const feed = new Feed({
    clock,
    directory: { onChange: () => () => {} },
    status: () => ({}) as AdminStatus,
    moment: async (): Promise<Moment> => {
      await held;
      return { points: seconds.map((t) => ({ t, values: {} })), live: [], ended: [], breakers: {}, limits: [] };
    },
    past: () => ({ points: [], ended: [] }),
    happenings: async () => [],
  });
  const told: number[][] = [];
  const response = Object.assign(new EventEmitter(), {
    ...{ writableLength: 0, writeHead: () => {}, end: () => {}, destroy: () => {} },
    write(text: string) {
      const [, data] = /^id: \d+\nevent: delta\ndata: (.*)\n\n$/.exec(text) ?? [];
      if (data !== undefined) told.push((JSON.parse(data) as { points: { t: number }[] }).points.map(({ t }) => t));
    },
  });
  feed.look(response as unknown as ServerResponse);
  seconds.push(1);
  await clock.advance(0);
  seconds.push(2);
  await clock.advance(1_000);
  const busy = Promise.withResolvers<void>();
  held = busy.promise;
  await clock.advance(1_000);
  seconds.push(3, 4, 5);
  await clock.advance(2_000);
  busy.resolve();
  await clock.advance(1_000);
  expect(told.filter(({ length }) => length > 0)).toEqual([[2], [3, 4, 5]]);
  response.emit('close');
  expect(clock.pending).toBe(0);
});
