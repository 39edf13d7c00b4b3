import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Happenings } from '../../../gateway/console/happenings.ts';
import type { Historian } from '../../../gateway/core/history/entry.ts';
import { historyPath } from '../../../gateway/core/history/history-file.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'happenings-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function add(by: Historian, second: number, fields: object): void {
  const at = new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();
  appendFileSync(historyPath(dir, by), `${JSON.stringify({ at, by, process: 7, level: 'info', event: 'x', msg: 'x', ...fields })}\n`);
}

test('tells what gateway and supervisor have taken down, in the words of "headgate events", and the same array until more has come', async () => {
  const happenings = new Happenings(dir);
  expect(await happenings.last()).toEqual([]);
  const failure = {
    event: 'worker.failure',
    level: 'warn',
    worker: 'worker-0',
    class: 'killed',
    phase: 'serving',
    message: 'signal 9',
    advice: 'Look.',
  };
  add('supervisor', 2, failure);
  add('gateway', 1, { event: 'gateway.start', msg: 'The gateway has begun.' });
  add('gateway', 3, { event: 'refusals', level: 'warn', msg: '3 calls were refused or cut off: upstream' });
  const first = await happenings.last();
  expect(first).toEqual([
    { at: '2026-01-01T00:00:01.000Z', by: 'gateway', level: 'info', event: 'gateway.start', text: 'The gateway has begun.', advice: null },
    {
      ...{ at: '2026-01-01T00:00:02.000Z', by: 'supervisor', level: 'warn', event: 'worker.failure' },
      ...{ text: 'worker-0 failed (killed, at serving): signal 9', advice: 'Look.' },
    },
    {
      ...{ at: '2026-01-01T00:00:03.000Z', by: 'gateway', level: 'warn', event: 'refusals' },
      ...{ text: '3 calls were refused or cut off: upstream', advice: null },
    },
  ]);
  expect(await happenings.last()).toBe(first);
  add('gateway', 4, { msg: 'one more' });
  expect((await happenings.last()).map(({ text }) => text).at(-1)).toBe('one more');
});

test('is bounded: the last fifty, of the ends of long files, also just after one was turned over; half a line is left out', async () => {
  const long = 'y'.repeat(3_000);
  for (let second = 0; second < 80; second++) add('gateway', second, { msg: `${second} ${long}` });
  const path = historyPath(dir, 'gateway');
  renameSync(path, `${path}.1`);
  for (let second = 80; second < 85; second++) add('gateway', second, { msg: String(second) });
  appendFileSync(path, '{"at":"2026');
  const last = await new Happenings(dir).last();
  expect(last.length).toBeGreaterThan(20);
  expect(last.length).toBeLessThanOrEqual(50);
  expect(last.slice(-6).map(({ text }) => Number.parseInt(text, 10))).toEqual([79, 80, 81, 82, 83, 84]);
  expect(Math.max(...last.map(({ text }) => text.length))).toBeLessThanOrEqual(600);
  writeFileSync(path, '');
  for (let second = 100; second < 300; second++) add('gateway', second, {});
  expect(await new Happenings(dir).last()).toHaveLength(50);
});

test('nothing where nothing is taken down', async () => {
  expect(await new Happenings(null).last()).toEqual([]);
  expect(await new Happenings(join(dir, 'nowhere')).last()).toEqual([]);
});
