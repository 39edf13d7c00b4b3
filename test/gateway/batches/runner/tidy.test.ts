import { expect, test } from 'vitest';
import { Runner } from '../../../../gateway/batches/runner/runner.ts';
import type { FileBytes, JournalBytes } from '../../../../gateway/state/store/file-bytes.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { MemoryBatches } from '../../../support/memory-batches.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';

test('what is left of batches that have ended goes at the start, and each hour: somebody may have written on', async () => {
  const clock = createFakeClock();
  const records = new MemoryBatches();
  const open = { id: 'open', owner: '', endpoint: '/v1/chat/completions', inputFile: 'file', completionWindow: '24h' };
  await records.addBatch({ ...open, metadata: null, outputExpiresAfterS: null, createdAt: 0, expiresAt: Number.MAX_SAFE_INTEGER });
  const left = new Set(['open', 'ended']);
  const removed: string[] = [];
  const journals: Pick<JournalBytes, 'batches' | 'remove'> = {
    batches: () => Promise.resolve([...left]),
    remove: (batch) => Promise.resolve(void (left.delete(batch) && removed.push(batch))),
  };
  const runner = new Runner({
    ...{ clock, records, random: { next: () => 0.5 }, events: new RecordedEvents(), newId: () => '', sharesPlaces: false },
    ...{ log: { info: () => {}, warn: () => {}, error: () => {} }, holder: { id: 'h', process: null } },
    bytes: { journals: journals as JournalBytes, open: () => Promise.reject(new Error('no')) } satisfies Pick<
      FileBytes,
      'open' | 'journals'
    >,
    directory: new FakeDirectory(clock, []),
    handler: () => () => Promise.reject(new Error('no')),
    routeOf: () => null,
    spare: () => 0,
    wantsPrefix: () => false,
    standingOf: () => ({ kind: 'none', reason: 'no' }),
    settings: () => ({ max_running: 4, share: 1, when_busy: 'yield', cancel_grace_ms: 1_000, line_max_attempts: 3 }),
    filesExpireAfterMs: () => 1_000_000,
    // It never ends.
    validate: () => new Promise(() => {}),
  });
  runner.start();
  await clock.advance(10_000);
  expect(removed).toEqual(['ended']);
  left.add('late');
  await clock.advance(1_800_000);
  expect(removed).toEqual(['ended']);
  await clock.advance(1_800_000);
  expect(removed).toEqual(['ended', 'late']);
  expect(left).toEqual(new Set(['open']));
  const closed = runner.close();
  await clock.advance(10_000);
  await closed;
});
