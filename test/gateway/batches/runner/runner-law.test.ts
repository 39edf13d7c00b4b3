import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Call } from '../../../../gateway/core/call.ts';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import { Ending, type Reply } from '../../../../gateway/core/reply.ts';
import type { BatchRecords } from '../../../../gateway/state/store/ports.ts';
import { StoreFailed } from '../../../../gateway/state/store/store-failed.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { MODEL } from '../../../support/fake-worker.ts';
import { until } from '../../../support/gateway.ts';
import { MemoryBatches } from '../../../support/memory-batches.ts';
import { BATCH, begin, finished, runnerOn } from './runner-scene.ts';

// The law of batches: whatever becomes of calls, of the store and of processes, each line ends exactly once, in exactly one file.

type Fate = 'answer' | 'refuse' | 'fail' | 'busy' | 'die' | 'hang';
const FATES = ['answer', 'answer', 'answer', 'refuse', 'fail', 'busy', 'die', 'hang'] as const;
type Turn = 'kill' | 'wait' | 'yield' | 'trouble' | 'cancel';

function replyOf(fate: Fate): Reply {
  const error =
    fate === 'refuse'
      ? new GatewayError('invalid_value', 'no')
      : fate === 'fail'
        ? new GatewayError('upstream_error', 'oh')
        : fate === 'busy'
          ? new GatewayError('worker_busy', 'later', { retryAfterMs: 100 })
          : fate === 'die'
            ? new GatewayError('upstream_disconnected', 'gone')
            : null;
  const status = error?.status ?? 200;
  const bytes = Buffer.from(JSON.stringify(error === null ? { usage: { prompt_tokens: 1, completion_tokens: 1 } } : { error: {} }));
  const outcome = () => (error === null ? ({ kind: 'complete', status } as const) : ({ kind: 'refused', error } as const));
  return { status, headers: {}, body: { kind: 'bytes', bytes }, relayed: error === null, ended: new Ending(), outcome };
}

test('each line ends once, in one file', { timeout: 120_000 }, async () => {
  const histories = fc.record({
    lines: fc.integer({ min: 1, max: 600 }),
    // With nothing but workers that are busy, or die, it would go on until it expires.
    fates: fc.array(fc.constantFrom<Fate>(...FATES), { maxLength: 40 }).map((some): readonly Fate[] => [...some, 'answer']),
    turns: fc.array(fc.constantFrom<Turn>('kill', 'wait', 'wait', 'yield', 'trouble', 'cancel'), { maxLength: 8 }),
    expires: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(histories, async ({ lines, fates, turns, expires }) => {
      const folder = mkdtempSync(join(tmpdir(), 'law-'));
      const clock = createFakeClock();
      const records = new MemoryBatches();
      const rows = await begin(records, folder, lines, clock.wall(), expires ? 30_000 : 86_400_000);
      let [asked, ids] = [0, 0];
      const newId = () => String(++ids).padStart(32, '0');
      let isInTrouble = false;
      const answer = async (call: Call): Promise<Reply> => {
        const fate = fates[asked++ % fates.length]!;
        await new Promise<void>((resolve) => {
          clock.after(fate === 'hang' ? 5_000 : 40, resolve);
          call.cancellation.onCancel(() => resolve());
        });
        const { reason } = call.cancellation;
        const cut: Reply = { ...replyOf('die'), outcome: () => ({ kind: 'refused', error: reason! }) };
        return reason === undefined ? replyOf(fate === 'hang' ? 'answer' : fate) : cut;
      };
      const live = () => {
        const holder = `holder-${++ids}`;
        let isDead = false;
        const seen = new Proxy(records, {
          get(target, name) {
            const method = Reflect.get(target, name) as ((...args: unknown[]) => unknown) | undefined;
            if (typeof method !== 'function') return method;
            return (...args: unknown[]) => {
              if (name === 'onWork') return () => {};
              // What it says after its death nobody hears.
              if (isDead || isInTrouble) return Promise.reject(new StoreFailed('locked', 'busy'));
              return method.apply(target, args);
            };
          },
        }) as unknown as BatchRecords;
        const runner = runnerOn({ clock, folder, records: seen, holder, handler: answer, newId });
        runner.start();
        const kill = (): void => {
          isDead = true;
          runner.stop();
          records.gone.add(holder);
        };
        return { runner, kill };
      };
      const lives = [live()];
      for (const turn of turns) {
        for (let step = 0; step < 5; step++) await clock.advance(100);
        if (turn === 'kill') {
          lives.at(-1)!.kill();
          lives.push(live());
        } else if (turn === 'yield') lives.at(-1)!.runner.onShort(MODEL, 3);
        else if (turn === 'trouble') isInTrouble = !isInTrouble;
        else if (turn === 'cancel') await records.cancelBatch(BATCH, null, clock.wall());
      }
      isInTrouble = false;
      const isOver = async () => ['completed', 'expired', 'cancelled'].includes((await records.batchOf(BATCH, null))!.status);
      await until(async () => (await clock.advance(250), isOver()), 'its end', 60_000);
      for (const { runner } of lives) await finished(runner, clock);
      const row = (await records.batchOf(BATCH, null))!;
      const seen = [row.outputFile, row.errorFile].map((id) =>
        id === null ? [] : readFileSync(join(folder, id), 'utf8').trim().split('\n'),
      );
      const names = seen.flat().map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
      expect(names.toSorted()).toEqual(rows.toSorted());
      expect(seen[0]).toHaveLength(row.completed);
      const ends = Map.groupBy(records.lines(BATCH), ({ end }) => end);
      expect(ends.get('completed')?.length ?? 0).toBe(row.completed);
      expect(ends.get('failed')?.length ?? 0).toBe(row.failed);
      expect(ends.has(null)).toBe(false);
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 15 },
  );
});
