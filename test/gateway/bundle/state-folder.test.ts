import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OnRecord } from '../../../gateway/bundle/common-parts.ts';
import { Pace } from '../../../gateway/bundle/pace.ts';
import { troublesIn } from '../../../gateway/bundle/state-folder.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';
import { veilOver } from './veil-over.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const entry = (by: string, ms: number, event: string, more: object = {}): string =>
  `${JSON.stringify({ at: new Date(NOW + ms).toISOString(), by, process: 1, level: 'error', event, msg: 'said', ...more })}\n`;

async function recorded(supervisor: readonly string[], gateway: readonly string[]) {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'events-supervisor.jsonl'), supervisor.join(''));
  writeFileSync(join(folder, 'events-gateway.jsonl'), gateway.join(''));
  const veil = await veilOver([]);
  const onRecord = new OnRecord(folder, veil, new Pace(createFakeClock()));
  const part = async (name: string): Promise<any> =>
    onRecord
      .events()
      .find((each) => each.name === name)!
      .make();
  return { onRecord, veil, part };
}

test('the history does not wait for the failures, and a clock that was set back turns no story around', async () => {
  const { part, onRecord } = await recorded(
    [entry('supervisor', 0, 'worker.state', { state: 'starting' }), entry('supervisor', -3_600_000, 'worker.state', { state: 'ready' })],
    [entry('gateway', -1_000, 'breaker', { state: 'open' })],
  );
  expect(onRecord.past).toBeNull();
  const { entries } = await part('history');
  expect(entries.map(({ state }: { state: string }) => state)).toEqual(['ready', 'starting', 'open']);
  const { past } = onRecord;
  expect(await part('last_failures')).toEqual([]);
  expect(onRecord.past).toBe(past);
});

test('troubles are counted by names of ours alone', async () => {
  const failure = { worker: 'worker-1', phase: 'start', message: 'x' };
  const { part, onRecord, veil } = await recorded(
    [
      entry('supervisor', -3, 'worker.failure', { ...failure, class: 'oom-kv' }),
      entry('supervisor', -2, 'worker.failure', { ...failure, class: 'what acme bank did' }),
      entry('supervisor', -1, 'acme.bank'),
      entry('supervisor', -90_000_000, 'breaker'),
    ],
    [],
  );
  expect(troublesIn(onRecord.past, NOW, veil)).toEqual(new Map());
  await part('history');
  expect([...troublesIn(onRecord.past, NOW, veil)]).toEqual([
    ['worker.failure oom-kv', 1],
    ['worker.failure <text #1, 18 characters>', 1],
  ]);
});
