import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sleep } from '../../../../gateway/core/clock.ts';
import type { KeyHolder, Limits } from '../../../../gateway/core/principal.ts';
import { Limiter } from '../../../../gateway/policies/limits/limiter.ts';
import { limitLayer, limitsBy } from '../../../../gateway/policies/limits/limits.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { jsonReply } from '../../../support/json-reply.ts';
import { MemoryBatches } from '../../../support/memory-batches.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';
import { BATCH, begin, finished, runnerOn } from './runner-scene.ts';

// A batch is one slice of lines, which one process has at a time; each process lets through its share of the limits of the batch's key.

const STEP_MS = 100;
const STEP_REAL_MS = 3;
const LONGEST_MS = 600_000;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'limits-'))));
afterEach(() => rmSync(folder, { recursive: true }));

async function scene(processes: number, limits: Partial<Limits>, lines: number) {
  const clock = createFakeClock();
  const records = new MemoryBatches();
  await begin(records, folder, lines, clock.wall(), 86_400_000);
  const principal: KeyHolder = {
    ...{ kind: 'key', name: 'app', isBatch: false, isAdmin: false, budgets: null, patienceMs: 0, mayUse: () => true },
    limits: { requests_per_minute: null, tokens_per_minute: null, concurrent_requests: null, ...limits },
  };
  let ids = 0;
  const newId = () => String(++ids).padStart(32, '0');
  let claims = 0;
  const claimSlice = records.claimSlice.bind(records);
  records.claimSlice = async (...asked) => {
    const claimed = await claimSlice(...asked);
    if (claimed !== null) claims++;
    return claimed;
  };
  /** By process: lines that were let in. */
  const ran = Array.from({ length: processes }, () => 0);
  const runners = ran.map((_, index) => {
    const layer = limitLayer({
      ...{ clock, events: new RecordedEvents(), limiter: new Limiter(processes, index), isGone: () => false },
      limitsOf: limitsBy({ limitsOf: () => principal.limits }),
    });
    const handler = layer(async () => {
      ran[index]! += 1;
      await sleep(clock, 300);
      const reply = jsonReply(200, { usage: { prompt_tokens: 1, completion_tokens: 1 } });
      void Promise.resolve().then(() => reply.ended.settle({ kind: 'complete', status: 200 }));
      return reply;
    });
    return runnerOn({
      ...{ clock, folder, records, newId, handler, holder: `holder-${index}`, sharesPlaces: processes > 1 },
      standingOf: () => ({ kind: 'good', principal }),
    });
  });
  for (const runner of runners) runner.start();
  const startedAt = clock.now();
  /** Time goes on, slowly enough for the disk, until that is so. @returns ms since the beginning */
  const passed = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<number> => {
    while (!(await isSo())) {
      if (clock.now() - startedAt > LONGEST_MS) throw new Error(`never came about: ${what}`);
      await clock.advance(STEP_MS);
      await delay(STEP_REAL_MS);
    }
    return clock.now() - startedAt;
  };
  const row = async () => (await records.batchOf(BATCH, null))!;
  const close = async (): Promise<void> => {
    for (const runner of runners) await finished(runner, clock);
  };
  return { clock, close, ran, passed, row, claims: () => claims };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

describe('a batch in one slice', { timeout: 120_000 }, () => {
  test('runs with the limits of its key in all processes, not with one share of them', async () => {
    const { ran, passed, claims, close } = await scene(4, { requests_per_minute: 40 }, 100);
    // A tenth of the forty is left to other calls.
    expect(await passed('the first minute', () => sum(ran) === 36)).toBeLessThan(60_000);
    expect(ran).toEqual([9, 9, 9, 9]);
    expect(await passed('the second', () => sum(ran) === 72)).toBeGreaterThan(60_000);
    expect(claims()).toBeLessThan(60);
    await close();
  });

  test('moves on where most processes have no share at all, and says meanwhile until when it waits', async () => {
    const { clock, ran, passed, row, claims, close } = await scene(4, { requests_per_minute: 2 }, 10);
    await passed('what it waits for', async () => (await row()).pause !== null);
    expect(ran).toEqual([1, 0, 0, 0]);
    const { pause } = await row();
    expect(pause!.reason).toBe('waits: Rate limit reached for app on requests per minute: limit 2.');
    expect(pause!.untilMs! - clock.wall()).toBeGreaterThan(5_000);
    const tookMs = await passed('three lines', async () => (await row()).completed === 3);
    expect(ran).toEqual([3, 0, 0, 0]);
    // Nobody asks in a loop.
    expect(claims()).toBeLessThan(tookMs / 1_000);
    await close();
  });

  test('says that it waits once nothing of it runs, and no more when it goes on', async () => {
    const { passed, row, claims, close } = await scene(1, { requests_per_minute: 10 }, 12);
    await passed('what it waits for', async () => (await row()).pause !== null);
    expect(await row()).toMatchObject({
      completed: 9,
      pause: { reason: 'waits: Rate limit reached for app on requests per minute: limit 10.' },
    });
    expect(claims()).toBe(1);
    await passed('its end', async () => (await row()).status === 'completed');
    expect(await row()).toMatchObject({ completed: 12, pause: null });
    await close();
  });
});
