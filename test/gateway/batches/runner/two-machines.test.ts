import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Runner } from '../../../../gateway/batches/runner/runner.ts';
import { Validator } from '../../../../gateway/batches/validator.ts';
import { systemClock } from '../../../../gateway/core/clock.ts';
import { ANONYMOUS } from '../../../../gateway/core/principal.ts';
import { Ending, type Reply } from '../../../../gateway/core/reply.ts';
import { idMaker } from '../../../../gateway/core/secrets/id-maker.ts';
import type { FileBytes } from '../../../../gateway/state/store/file-bytes.ts';
import type { PostgresPorts } from '../../../../gateway/state/store/postgres/postgres-ports.ts';
import { StoreFailed } from '../../../../gateway/state/store/store-failed.ts';
import { CHAT } from '../../../support/fake-call.ts';
import { FakeDirectory } from '../../../support/fake-directory.ts';
import { FakeWorker, MODEL } from '../../../support/fake-worker.ts';
import { until } from '../../../support/gateway.ts';
import { NO_POSTGRES_SERVER, startPostgresServer } from '../../../support/postgres-server.ts';
import { RecordedEvents } from '../../../support/recorded-events.ts';
import { inPostgres, type PostgresBytesDriver } from '../../files/bytes-drivers.ts';

const LINES = 1_200;
const newId = idMaker();

const asked = new Set<string>();
const both = Promise.withResolvers<void>();

/** What a worker says, when both machines have asked theirs. */
async function answer(holder: string): Promise<Reply> {
  if (asked.add(holder).size === 2) both.resolve();
  await both.promise;
  const bytes = Buffer.from(JSON.stringify({ text: 'é'.repeat(500), usage: { prompt_tokens: 1, completion_tokens: 1 } }));
  const reply: Reply = {
    ...{ status: 200, headers: {}, body: { kind: 'bytes', bytes }, relayed: true, ended: new Ending() },
    outcome: () => ({ kind: 'complete', status: 200 }),
  };
  return new Promise((resolve) => void systemClock.after(5, () => resolve(reply)));
}

interface Machine {
  readonly holder: string;
  readonly runner: Runner;
  readonly events: RecordedEvents;
  /** From now on it hears nothing of what it says to the store; its bytes are written still. */
  cut(): void;
}

function machine({ batches, bytes }: PostgresPorts, validator: Pick<Validator, 'validate'>): Machine {
  const [holder, events] = [newId(), new RecordedEvents()];
  let isCut = false;
  const records = new Proxy(batches, {
    get(target, name) {
      const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) =>
        isCut && name !== 'onWork' ? Promise.reject(new StoreFailed('unreachable', 'cut')) : method.apply(target, args);
    },
  });
  const runner = new Runner({
    ...{ clock: systemClock, random: { next: () => 0.5 }, events, records, bytes, newId, sharesPlaces: false },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    holder: { id: holder, process: null },
    directory: new FakeDirectory(systemClock, [new FakeWorker('w0')]),
    handler: () => () => answer(holder),
    routeOf: () => CHAT,
    spare: () => 16 - runner.running,
    wantsPrefix: () => false,
    standingOf: () => ({ kind: 'good', principal: ANONYMOUS }),
    settings: () => ({ max_running: 4, share: 1, when_busy: 'yield', cancel_grace_ms: 1_000, line_max_attempts: 3 }),
    filesExpireAfterMs: () => 1_000_000,
    validate: (row) => validator.validate(row),
  });
  return { holder, runner, events, cut: () => (isCut = true) };
}

async function textOf(bytes: FileBytes, id: string): Promise<string> {
  const file = await bytes.open(id);
  const all = Buffer.alloc(file.size);
  await file.read(all, 0);
  await file.close();
  return all.toString();
}

describe.skipIf(NO_POSTGRES_SERVER !== null)(`two machines${NO_POSTGRES_SERVER === null ? '' : ` (${NO_POSTGRES_SERVER})`}`, () => {
  let driver: PostgresBytesDriver;
  beforeAll(async () => void (driver = await inPostgres(await startPostgresServer())), 60_000);
  afterAll(() => driver[Symbol.asyncDispose]());

  test(
    'that share nothing but a server run one batch, of which each line is in its file once, though one dies',
    { timeout: 120_000 },
    async () => {
      const [one, other] = driver.ports;
      const [file, id, now] = [`file-${newId()}`, `batch_${newId()}`, Date.now()];
      const names = Array.from({ length: LINES }, (_, at) => `line-${at}`);
      const draft = await one.bytes.draft(file);
      for (const custom_id of names) {
        const body = { model: MODEL, messages: [{ role: 'user', content: 'x'.repeat(400) }] };
        await draft.append(Buffer.from(`${JSON.stringify({ custom_id, method: 'POST', url: CHAT.path, body })}\n`));
      }
      await draft.keep();
      const row = { id: file, owner: '', bytes: 1, createdAt: now, filename: 'in.jsonl', purpose: 'batch', expiresAt: null };
      await one.files.addFile(row, null);
      await one.batches.addBatch({
        ...{ id, owner: '', endpoint: CHAT.path, inputFile: file, completionWindow: '24h', metadata: null, outputExpiresAfterS: null },
        ...{ createdAt: now, expiresAt: now + 86_400_000 },
      });
      const troubles: string[] = [];
      const validator = new Validator({
        ...{ clock: systemClock, records: one.batches, files: one.files, bytes: one.bytes, holder: 'validator' },
        modelsFor: () => ({ names: [[MODEL, MODEL]], isComplete: true }),
        rules: () => ({ mostLines: 5_000, mostLineBytes: 10_000, mixesModels: true }),
        onTrouble: (_batch, message) => troubles.push(message),
      });
      await one.batches.holdOn({ id: 'validator', process: null }, now);
      await validator.validate({ id });
      expect(troubles).toEqual([]);
      const [dying, living] = [machine(one, validator), machine(other, validator)];
      dying.runner.start();
      living.runner.start();
      const journals = () => one.batches.journalsOf(id);
      await until(async () => (await journals()).length === 2, 'both have put something on record', 30_000);
      dying.cut();
      await driver.client`UPDATE headgate.batch_holders SET seen_at = seen_at - interval '16 seconds' WHERE id = ${dying.holder}`;
      const isOver = async () => (await other.batches.batchOf(id, null))?.status === 'completed';
      await until(isOver, 'its end', 60_000);
      const batch = (await other.batches.batchOf(id, null))!;
      expect([batch.completed, batch.failed, batch.errorFile]).toEqual([LINES, 0, null]);
      const lines = (await textOf(one.bytes, batch.outputFile!)).trim().split('\n');
      expect(lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id).toSorted()).toEqual(names.toSorted());
      const known = (await one.files.fileOf(batch.outputFile!, '', now))!;
      expect(known.bytes).toBe(Buffer.byteLength(lines.join('\n')) + 1);
      await living.runner.close();
      await dying.runner.close();
      await validator.close();
    },
  );
});
