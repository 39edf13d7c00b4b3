import { expect, test } from 'vitest';
import { DrainLines } from '../../../gateway/processes/drain-lines.ts';
import { probesOfAll } from '../../../gateway/processes/probes-of-all.ts';
import { canSharePorts, processCount } from '../../../gateway/processes/process-count.ts';
import { Restarts } from '../../../gateway/processes/restarts.ts';
import { lastWordsIn } from '../../../gateway/processes/server-process.ts';
import { Wishes } from '../../../gateway/processes/wishes.ts';
import type { Told } from '../../../gateway/http/probes/told.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

// What several processes say, as one gateway says it.

test('a stage of a drain is told when all have come to it, with the calls of all, and cut calls only where there are some', () => {
  const told: [string, number, number][] = [];
  const lines = new DrainLines([1, 2, 3], (...line) => told.push(line));
  lines.heard(1, 'begin', 2, 0);
  lines.heard(2, 'begin', 3, 0);
  expect(told).toEqual([]);
  lines.gone(3);
  expect(told).toEqual([['begin', 5, 0]]);
  lines.heard(1, 'refusing', 1, 10);
  lines.heard(2, 'refusing', 0, 12);
  lines.heard(2, 'end', 0, 13);
  lines.heard(1, 'cutting', 1, 500);
  lines.heard(1, 'end', 0, 510);
  expect(told.slice(1)).toEqual([
    ['refusing', 1, 12],
    ['cutting', 1, 500],
    ['end', 0, 510],
  ]);
});

test('the wishes of several processes are one, with the calls of all, told twice a second at most', async () => {
  const clock = createFakeClock();
  const told: [string, number][] = [];
  const wishes = new Wishes(clock, (...wish) => told.push(wish));
  wishes.heard(1, 'm', 2);
  wishes.heard(2, 'm', 3);
  expect(told).toEqual([['m', 2]]);
  await clock.advance(1_000);
  wishes.heard(2, 'm', 4);
  expect(told.at(-1)).toEqual(['m', 6]);
  // The first has fallen silent: nobody waits there any more.
  await clock.advance(2_000);
  wishes.heard(2, 'm', 4);
  expect(told.at(-1)).toEqual(['m', 4]);
});

test('a probe is answered by whichever process is well, and by none where none is heard of', () => {
  const as = (status: 200 | 503): Told => {
    const answer = { plain: { status, body: { status } }, verbose: { status, body: { status, more: true } } };
    return { '/livez': answer, '/readyz': answer, '/startupz': answer };
  };
  expect(probesOfAll([as(503), as(200)])['/readyz'].plain.status).toBe(200);
  expect(probesOfAll([as(503), as(503)])['/readyz'].verbose).toEqual({ status: 503, body: { status: 503, more: true } });
  expect(probesOfAll([])['/livez'].plain).toEqual({ status: 503, body: { status: 'stuck' } });
});

test('a process that dies is started again, later each time; one that never serves is given up at the fifth', () => {
  const restarts = new Restarts();
  expect([1_000, 1_000, 1_000].map((lived) => restarts.after(lived, true))).toEqual([100, 200, 400]);
  expect(restarts.after(3_600_000, true)).toBe(100);
  const hopeless = new Restarts();
  expect([1, 2, 3, 4, 5].map(() => hopeless.after(300, false))).toEqual([100, 200, 400, 800, null]);
});

test('of what a dying process writes the line that names the error is told, or else the last', () => {
  const uncaught = "file:///x.ts:1\nthrow new TypeError('boom');\n^\n\nTypeError: boom\n    at file:///x.ts:1:7\n\nNode.js v26.10.0\n";
  expect(lastWordsIn(uncaught)).toBe('TypeError: boom');
  const outOfMemory =
    '\n<--- Last few GCs --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0x1\n';
  expect(lastWordsIn(outOfMemory)).toBe('FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory');
  expect([lastWordsIn('one\ntwo\n'), lastWordsIn('\n')]).toEqual(['two', null]);
});

test('auto is a process for each core, with a bound, and a number is that number', () => {
  expect([1, 2, 64].map((cores) => processCount('auto', () => cores))).toEqual([1, 2, 16]);
  expect(processCount(3, () => 1)).toBe(3);
  expect([canSharePorts('linux'), canSharePorts('darwin')]).toEqual([true, false]);
});
