import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BatchDesk } from '../../../gateway/batches/batch-desk.ts';
import { batchObject } from '../../../gateway/batches/batch-object.ts';
import { Validator } from '../../../gateway/batches/validator.ts';
import { openBytes, systemDisk } from '../../../gateway/files/disk.ts';
import type { FileBytes, OpenBytes } from '../../../gateway/state/store/file-bytes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/gateway.ts';
import { MemoryBatches } from '../../support/memory-batches.ts';

const CHAT = '/v1/chat/completions';
const ASKED = { input_file_id: 'file-1', endpoint: CHAT, completion_window: '24h' };

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'batches-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** What becomes of reading its bytes. */
interface Fault {
  error: Error | null;
  wait: Promise<void>;
  isWaiting: boolean;
}

function scene(lines: readonly string[] | null, purpose = 'batch') {
  const clock = createFakeClock();
  const records = new MemoryBatches();
  const { files } = records;
  const state = { names: [['m', 'm']] as [string, string][], isComplete: true };
  const trouble: string[] = [];
  let ids = 0;
  const fault: Fault = { error: null, wait: Promise.resolve(), isWaiting: false };
  const bytes: Pick<FileBytes, 'open'> = {
    async open(id) {
      const file = await openBytes(systemDisk, join(folder, id));
      const read: OpenBytes['read'] = async (into, position) => {
        fault.isWaiting = true;
        await fault.wait;
        if (fault.error !== null) throw fault.error;
        return file.read(into, position);
      };
      return { ...file, read };
    },
  };
  const validatorOf = (holder: string) =>
    new Validator({
      ...{ clock, records, files, holder, bytes, modelsFor: () => state },
      rules: () => ({ mostLines: 5_000, mostLineBytes: 10_000, mixesModels: true }),
      onTrouble: (_batch, message) => trouble.push(message),
    });
  const validator = validatorOf('one');
  const desk = new BatchDesk({ clock, records, files, validator, newId: () => String(++ids) });
  const common = { id: 'file-1', bytes: 1, createdAt: 0, filename: 'x.jsonl', expiresAt: null };
  if (lines !== null) {
    writeFileSync(join(folder, 'file-1'), lines.join('\n'));
    void files.addFile({ ...common, owner: 'app', purpose }, null);
  }
  return { clock, records, validator, validatorOf, desk, state, trouble, fault };
}

const line = (id: string, model = 'm'): string =>
  JSON.stringify({ custom_id: id, method: 'POST', url: CHAT, body: { model, messages: [] } });

describe('a new batch', () => {
  test('is validating, with everything that there is not as null, and then runs', async () => {
    const { desk, validator, records } = scene(Array.from({ length: 2_500 }, (_, at) => line(`${at}`)));
    const row = await desk.create({ ...ASKED, metadata: { a: 'b' } }, 'app');
    expect(batchObject(row)).toEqual({
      ...{ id: 'batch_1', object: 'batch', endpoint: CHAT, model: null, errors: null, input_file_id: 'file-1', completion_window: '24h' },
      ...{ status: 'validating', output_file_id: null, error_file_id: null, created_at: 1_767_225_600, in_progress_at: null },
      ...{ expires_at: 1_767_312_000, finalizing_at: null, completed_at: null, failed_at: null, expired_at: null, cancelling_at: null },
      ...{ cancelled_at: null, request_counts: { total: 0, completed: 0, failed: 0 }, metadata: { a: 'b' } },
      usage: {
        ...{ input_tokens: 0, input_tokens_details: { cached_tokens: 0 }, output_tokens: 0 },
        ...{ output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 0 },
      },
    });
    await validator.validate(row);
    expect(await desk.find(row.id, 'app')).toMatchObject({ status: 'in_progress', total: 2_500, model: 'm' });
    expect(records.lines(row.id).map(({ number }) => number)).toEqual(Array.from({ length: 2_500 }, (_, at) => at + 1));
  });

  test('fails when a line is wrong, and nothing of it runs', async () => {
    const { desk, validator, records } = scene([line('a'), 'x', line('b', 'unknown')]);
    const row = await desk.create(ASKED, 'app');
    await validator.validate(row);
    const failed = await desk.find(row.id, 'app');
    expect(failed).toMatchObject({
      status: 'failed',
      inProgressAt: null,
      errors: [
        { code: 'invalid_json_line', line: 2 },
        { code: 'model_not_found', line: 3 },
      ],
    });
    expect(records.lines(row.id)).toEqual([]);
    await expect(desk.cancel(row.id, 'app')).rejects.toMatchObject({
      status: 409,
      message: "Cannot cancel a batch with status 'failed'.",
      details: { code: null },
    });
  });

  test.each([
    ['that nobody has', null],
    ['of another', 'another'],
  ])('fails later for a file %s', async (_, owner) => {
    const { desk, validator } = scene(owner === null ? null : [line('a')]);
    const row = await desk.create(ASKED, owner ?? 'app');
    expect(row.status).toBe('validating');
    await validator.validate(row);
    const errors = [
      { code: 'invalid_request', param: 'file_id', line: null, message: expect.stringContaining('Cannot find file file-1') as string },
    ];
    expect(await desk.find(row.id, owner ?? 'app')).toMatchObject({ status: 'failed', errors });
  });

  test('fails when the bytes of its file are gone', async () => {
    const { desk, validator } = scene([line('a')]);
    rmSync(join(folder, 'file-1'));
    const row = await desk.create(ASKED, 'app');
    await validator.validate(row);
    expect(await desk.find(row.id, 'app')).toMatchObject({ status: 'failed', errors: [{ code: 'invalid_request', param: 'file_id' }] });
  });

  test('waits for bytes that cannot be read, and is looked at again', async () => {
    const { desk, validator, fault, trouble, clock } = scene(Array.from({ length: 100 }, (_, at) => line(`${at}`)));
    fault.error = new Error('the server is away');
    const row = await desk.create(ASKED, 'app');
    await validator.validate(row);
    expect(trouble).toEqual(['the server is away']);
    expect((await desk.find(row.id, 'app')).status).toBe('validating');
    fault.error = null;
    await clock.advance(5_000);
    await validator.validate(row);
    expect(await desk.find(row.id, 'app')).toMatchObject({ status: 'in_progress', total: 100 });
  });

  test('whose thread is ended for taking too long, while it waits for bytes, is looked at again', async () => {
    const { desk, validator, fault, trouble, clock } = scene([line('a')]);
    const { promise, resolve } = Promise.withResolvers<void>();
    fault.wait = promise;
    const row = await desk.create(ASKED, 'app');
    const validated = validator.validate(row);
    await until(() => fault.isWaiting, 'it reads');
    await clock.advance(900_000);
    await new Promise((ended) => void setImmediate(ended));
    resolve();
    await validated;
    expect(trouble).toEqual([expect.stringContaining('its thread ended')]);
  });

  test('is refused for a file of another purpose', async () => {
    const { desk } = scene([line('a')], 'user_data');
    await expect(desk.create(ASKED, 'app')).rejects.toMatchObject({ status: 400, details: { param: 'input_file_id' } });
  });

  test('waits for workers that have not told what they serve', async () => {
    const { desk, validator, state, clock } = scene([line('a', 'late')]);
    state.isComplete = false;
    const row = await desk.create(ASKED, 'app');
    await validator.validate(row);
    expect((await desk.find(row.id, 'app')).status).toBe('validating');
    state.names.push(['late', 'late']);
    await clock.advance(5_000);
    await validator.validate(row);
    expect((await desk.find(row.id, 'app')).status).toBe('in_progress');
  });

  test('is validated anew after a holder that died in the middle, with no line twice', async () => {
    const { desk, validator, validatorOf, records, clock } = scene([line('a'), line('b')]);
    await validator.close();
    const row = await desk.create(ASKED, 'app');
    const epoch = await records.claimBatch(row.id, 'dead', clock.wall());
    await records.beginLines(row.id, epoch!);
    await records.addLines(row.id, epoch!, [{ rank: 0, number: 1, offset: 0, length: 1, model: 'm' }]);
    const other = validatorOf('two');
    await other.validate(row);
    expect((await desk.find(row.id, 'app')).status).toBe('validating');
    records.gone.add('dead');
    await other.validate(row);
    expect(await desk.find(row.id, 'app')).toMatchObject({ status: 'in_progress', total: 2 });
    expect(records.lines(row.id)).toHaveLength(2);
    expect(await records.addLines(row.id, epoch!, [])).toBe(false);
  });
});

test('a batch is cancelled once, and saying so again is as good', async () => {
  const { desk, validator, records } = scene([line('a')]);
  const row = await desk.create(ASKED, 'app');
  expect(await desk.cancel(row.id, 'app')).toMatchObject({ status: 'cancelling' });
  expect(await desk.cancel(row.id, 'app')).toMatchObject({ status: 'cancelling' });
  await validator.validate(row);
  expect(records.lines(row.id)).toEqual([]);
  expect((await desk.find(row.id, 'app')).status).toBe('cancelling');
});

test('to another it does not exist', async () => {
  const { desk } = scene([line('a')]);
  const { id } = await desk.create(ASKED, 'app');
  const none = { status: 404, message: `No batch found with id '${id}'.`, details: { code: null } };
  await expect(desk.find(id, 'another')).rejects.toMatchObject(none);
  await expect(desk.cancel(id, '')).rejects.toMatchObject(none);
  expect((await desk.list('another', { after: null, limit: 20, order: 'desc' })).rows).toEqual([]);
});

describe('under an idempotency key', () => {
  const DAY_MS = 24 * 3_600_000;

  test('a batch is made once for each owner, also by another process', async () => {
    const { clock, records, validator, desk } = scene([line('a')]);
    const other = new BatchDesk({ clock, records, validator, files: records.files, newId: () => 'x' });
    const pairs = { b: '2', a: '1' };
    const first = await desk.createOnce({ ...ASKED, metadata: pairs }, 'app', 'k');
    const again = await other.createOnce({ ...ASKED, metadata: { a: '1', b: '2' } }, 'app', 'k');
    expect([first.isNew, again.isNew, again.row.id]).toEqual([true, false, first.row.id]);
    const made = await Promise.all([1, 2, 3].map(() => other.createOnce(ASKED, 'app', 'together')));
    expect(new Set(made.map(({ row }) => row.id)).size).toBe(1);
    const others = [await desk.createOnce(ASKED, 'other', 'k'), await desk.createOnce(ASKED, 'app', 'l')];
    expect(new Set([first, ...others].map(({ row }) => row.id)).size).toBe(3);
    expect((await desk.list(null, { limit: 10, order: 'desc', after: null })).rows).toHaveLength(4);
  });

  test('another body is refused, and after a day the key may name another batch', async () => {
    const { clock, desk } = scene([line('a')]);
    const first = await desk.createOnce(ASKED, 'app', 'k');
    const changed = { ...ASKED, metadata: { a: 'b' } };
    await expect(desk.createOnce(changed, 'app', 'k')).rejects.toMatchObject({ kind: 'idempotency_key_reused' });
    await clock.advance(DAY_MS);
    const second = await desk.createOnce(changed, 'app', 'k');
    expect([second.isNew, second.row.id === first.row.id]).toEqual([true, false]);
    expect((await desk.createOnce(changed, 'app', 'k')).row.id).toBe(second.row.id);
  });
});
