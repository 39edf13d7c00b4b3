import { expect, test } from 'vitest';
import type { Clock } from '../../../gateway/core/clock.ts';
import { Overload } from '../../../gateway/http/overload.ts';

/** A watch over an event loop whose timers come as late as the test says. */
function watched({ share = 0.9, calls = 0 } = {}) {
  let time = 0;
  let due: { at: number; fn: () => void } | null = null;
  const clock: Clock = {
    now: () => time,
    wall: () => time,
    after(ms, fn) {
      const timer = { at: time + ms, fn };
      due = timer;
      return { cancel: () => void (due === timer && (due = null)) };
    },
  };
  const told: unknown[] = [];
  const overload = new Overload(
    clock,
    {
      onBegin: (lateMs) => told.push(['begin', lateMs]),
      onEnd: (refused) => told.push(['end', refused]),
    },
    { cpuMs: () => time * share, calls: () => calls },
  );
  return {
    told,
    overload,
    isPending: () => due !== null,
    async late(...delays: number[]): Promise<void> {
      for (const delay of delays) {
        const { at, fn } = due!;
        time = at + delay;
        fn();
        await Promise.resolve();
        await Promise.resolve();
      }
    },
    refuses(): boolean {
      try {
        overload.check();
        return false;
      } catch (error) {
        expect(error).toMatchObject({ kind: 'queue_full', details: { retryAfterMs: 2_000 } });
        return true;
      }
    },
  };
}

test('calls are refused while the event loop is late again and again, and taken again when it is in time', async () => {
  const t = watched();
  await t.late(0, 300, 300);
  expect(t.refuses()).toBe(false);
  await t.late(400);
  expect([t.refuses(), t.refuses()]).toEqual([true, true]);
  // Between late and in time it stays as it is.
  await t.late(200, 150);
  expect(t.refuses()).toBe(true);
  await t.late(50);
  expect(t.refuses()).toBe(false);
  expect(t.told).toEqual([
    ['begin', 400],
    ['end', 3],
  ]);
});

test('one long stop, or several with time in between, refuses nobody', async () => {
  const t = watched();
  await t.late(5_000, 0, 300, 300, 10, 300, 300, 240, 300);
  expect(t.refuses()).toBe(false);
  expect(t.told).toEqual([]);
});

test('where others keep the loop from running few calls are not refused, and many are', async () => {
  const few = watched({ share: 0.3, calls: 20 });
  await few.late(300, 500, 900, 700, 800);
  expect(few.refuses()).toBe(false);
  const many = watched({ share: 0.3, calls: 64 });
  await many.late(300, 500, 900);
  expect(many.refuses()).toBe(true);
});

test('nothing is looked at once it is closed', async () => {
  const t = watched();
  t.overload.close();
  expect(t.isPending()).toBe(false);
});
