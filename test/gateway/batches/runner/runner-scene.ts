import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Runner } from '../../../../gateway/batches/runner/runner.ts';
import type { RunnerParts } from '../../../../gateway/batches/runner/runner-parts.ts';
import { FileFolder } from '../../../../gateway/files/file-folder.ts';
import type { Handler } from '../../../../gateway/core/handler.ts';
import { ANONYMOUS } from '../../../../gateway/core/principal.ts';
import { CHAT } from '../../../support/fake-call.ts';
import type { FakeClock } from '../../../support/fake-clock.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { until } from '../../../support/gateway.ts';
import type { MemoryBatches } from '../../../support/memory-batches.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';

export const BATCH = `batch_${'0'.repeat(32)}`;
const INPUT = `file-${'f'.repeat(32)}`;

type Given = Pick<RunnerParts, 'records' | 'newId'> & {
  readonly clock: FakeClock;
  readonly folder: string;
  readonly holder: string;
  readonly handler: Handler;
} & Partial<Pick<RunnerParts, 'directory' | 'sharesPlaces' | 'standingOf'>>;

/** One process's runner, with room for 16 lines. */
export function runnerOn({ clock, records, newId, folder, holder, handler, ...more }: Given): Runner {
  const runner: Runner = new Runner({
    ...{ clock, random: { next: () => 0.5 }, events: new RecordedEvents(), records, newId },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    bytes: new FileFolder(folder),
    holder: { id: holder, process: null },
    directory: new FakeDirectory(clock, [new FakeWorker('w0')]),
    handler: () => handler,
    routeOf: () => CHAT,
    spare: () => 16 - runner.running,
    wantsPrefix: () => false,
    sharesPlaces: false,
    standingOf: () => ({ kind: 'good', principal: ANONYMOUS }),
    settings: () => ({ max_running: 4, share: 1, when_busy: 'yield', cancel_grace_ms: 1_000, line_max_attempts: 3 }),
    filesExpireAfterMs: () => 1_000_000,
    validate: () => Promise.resolve(),
    ...more,
  });
  return runner;
}

/** A batch that is validated. @returns the names of its lines */
export async function begin(records: MemoryBatches, folder: string, count: number, now: number, windowMs: number): Promise<string[]> {
  mkdirSync(join(folder, 'batches'));
  const names = Array.from({ length: count }, (_, at) => `line-${at}`);
  const texts = names.map(
    (custom_id) => `${JSON.stringify({ custom_id, body: { model: MODEL, messages: [{ role: 'user', content: `é ${custom_id}` }] } })}\n`,
  );
  writeFileSync(join(folder, INPUT), texts.join(''));
  await records.addBatch({
    ...{ id: BATCH, owner: '', endpoint: CHAT.path, inputFile: INPUT, completionWindow: '24h', metadata: null },
    ...{ outputExpiresAfterS: null, createdAt: now, expiresAt: now + windowMs },
  });
  const epoch = (await records.claimBatch(BATCH, 'validator', now))!;
  let offset = 0;
  const lines = texts.map((text, rank) => {
    const length = Buffer.byteLength(text) - 1;
    offset += length + 1;
    return { rank, number: rank + 1, offset: offset - length - 1, length, model: MODEL };
  });
  await records.addLines(BATCH, epoch, lines);
  await records.endValidation(BATCH, epoch, { total: count, model: MODEL, errors: null }, now);
  return names;
}

/** Closes it, while time goes on. */
export async function finished(runner: Runner, clock: FakeClock): Promise<void> {
  let isClosed = false;
  void runner.close().then(() => (isClosed = true));
  await until(async () => (await clock.advance(500), isClosed), 'it is closed');
}
