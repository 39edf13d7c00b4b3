import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { newAttempt } from '../../../../gateway/core/attempt.ts';
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

test('a line that a worker never has room for holds up no others, and ends at last', async () => {
  const { passes, row, asked, close } = await scene(() => new GatewayError('worker_busy', 'later', { retryAfterMs: 1_000 }));
  await passes(10_000);
  expect(await row()).toMatchObject({ completed: 9 });
  expect(asked()).toBeGreaterThan(0);
  await close();
});
