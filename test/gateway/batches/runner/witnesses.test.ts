import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { newAttempt } from '../../../../gateway/core/attempt.ts';
import { LineEnds } from '../../../../gateway/batches/runner/line-ends.ts';
import type { LineRun } from '../../../../gateway/batches/runner/line-run.ts';
import { OwnerRests } from '../../../../gateway/batches/runner/owner-rests.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker } from '../../../support/fake-worker.ts';
import { jsonReply } from '../../../support/json-reply.ts';
import { MemoryBatches } from '../../../support/memory-batches.ts';
import { BATCH, begin, finished, runnerOn } from './runner-scene.ts';

// When something is wrong with a line, and when with those whom it met.

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'witnesses-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** A batch of ten lines; `answer` is asked of each try of one of them, the others are answered. */
async function scene(answer: (worker: FakeWorker) => GatewayError | null) {
  const clock = createFakeClock();
  const records = new MemoryBatches();
  await begin(records, folder, 10, clock.wall(), 86_400_000);
  const worker = new FakeWorker('w0');
  let [ids, asked] = [0, 0];
  const odd = new Set<string>();
  const handler = async (call: Call) => {
    await Promise.resolve();
    const body = call.body.bytes.toString('utf8');
    if (odd.size === 0) odd.add(body);
    call.attempts.push(newAttempt(worker.id, worker.life, null));
    if (odd.has(body)) {
      asked += 1;
      const error = answer(worker);
      if (error !== null) throw error;
    }
    const reply = jsonReply(200, {});
    void Promise.resolve().then(() => reply.ended.settle({ kind: 'complete', status: 200 }));
    return reply;
  };
  const runner = runnerOn({
    ...{ clock, folder, records, handler, holder: 'h', newId: () => String(++ids).padStart(32, '0') },
    directory: new FakeDirectory(clock, [worker]),
  });
  runner.start();
  const row = async () => (await records.batchOf(BATCH, null))!;
  return {
    row,
    asked: () => asked,
    /** So much time goes on, slowly enough for the disk, or until the batch has ended. */
    async passes(ms: number): Promise<void> {
      for (let passed = 0; passed < ms && (await row()).status === 'in_progress'; passed += 250) {
        await clock.advance(250);
        await delay(1);
      }
    },
    close: () => finished(runner, clock),
  };
}

const brokenOff = (): GatewayError => new GatewayError('upstream_disconnected', 'The worker stopped in the middle of the answer.');

test('a worker that always breaks a line off and lives on is a witness: the line ends after its attempts', async () => {
  const { passes, row, asked, close } = await scene(brokenOff);
  await passes(600_000);
  expect(await row()).toMatchObject({ completed: 9, failed: 1 });
  expect(asked()).toBeLessThan(10);
  await close();
});

test('workers that die with a line are none', async () => {
  const { passes, row, asked, close } = await scene((worker) => {
    worker.life = { since: 0 };
    return brokenOff();
  });
  await passes(600_000);
  expect(await row()).toMatchObject({ completed: 9, failed: 0, status: 'in_progress' });
  expect(asked()).toBeGreaterThan(10);
  await close();
});

test('a line that a worker never has room for holds up no others', async () => {
  const { passes, row, asked, close } = await scene(() => new GatewayError('worker_busy', 'later', { retryAfterMs: 1_000 }));
  // As often as the disk needs to write the others down: this line alone never ends.
  await expect.poll(() => passes(1_000).then(row)).toMatchObject({ completed: 9, status: 'in_progress' });
  expect(asked()).toBeGreaterThan(0);
  await close();
});

test.each([
  [true, 'ends after thirty times and its attempts', 'failed', 34],
  [false, 'waits as long as it takes, where the worker answers nobody', 'waits', 100],
])('a line that is refused for want of room, others answered meanwhile: %s, %s', (hasAnswered, _, end, times) => {
  const clock = createFakeClock();
  const line = { row: { rank: 0 }, claim: { batch: BATCH, slice: 0, epoch: 1 }, model: 'm', attempts: 0, returns: 0, refusals: 0 };
  const settled: string[] = [];
  const back: unknown[] = [];
  const work = {
    owner: '',
    settler: { add: (result: { end: string }) => settled.push(result.end) },
    giveBack: (one: unknown) => back.push(one),
  };
  const ends = new LineEnds({
    ...{ clock, random: { next: () => 0.5 }, directory: new FakeDirectory(clock, []), onLimited: () => {}, pause: () => {} },
    lanes: { answered: () => {}, hasAnsweredSince: () => hasAnswered, restModel: () => {}, rests: new OwnerRests(clock, false) },
    settings: () => ({ max_running: 4, share: 1, when_busy: 'yield', cancel_grace_ms: 0, line_max_attempts: 4 }),
  });
  const answer = { status: 429, bytes: Buffer.from('{}') };
  const run = {
    work,
    line: { ...line, refusedAt: null, brokenBy: null, notBefore: 0 },
    id: 'r',
    customId: '"c"',
    startedAt: 0,
    call: null,
  };
  for (let i = 0; i < 100 && settled.at(-1) !== 'failed'; i++) {
    ends.after(run as unknown as LineRun, { kind: 'later', why: 'worker_busy', whose: 'model', afterMs: 1_000, answer });
  }
  expect(settled.at(-1) ?? 'waits').toBe(end);
  // The first refusal has nobody to be compared with, the last is its end.
  expect(back).toHaveLength(times);
});
