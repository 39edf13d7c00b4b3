import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processOf } from '../../../../gateway/state/store/process-life.ts';
import { until } from '../../../support/gateway.ts';
import { ended, fileRow, fresh, holderAt, lineRows, newBatch, NOTHING_USED, NOW, validBatch } from './batch-scene.ts';
import { type Driver, DRIVERS } from './drivers.ts';

describe.each(DRIVERS)('batches $name', ({ name, missing, open }) => {
  if (missing !== null) {
    test.skip(`${name}: ${missing}`, () => {});
    return;
  }
  let driver: Driver;
  beforeAll(async () => void (driver = await open()), 60_000);
  afterAll(() => driver[Symbol.asyncDispose]());

  test('are known as they were made, listed by owner, and open until they end', async () => {
    const [{ batches }, other] = driver.processes;
    const owner = fresh('owner');
    const made = [newBatch({ owner, metadata: { a: 'ö', b: '' }, outputExpiresAfterS: 3_600 }), newBatch({ owner, createdAt: NOW - 1 })];
    for (const batch of [...made, made[0]!]) await batches.addBatch(batch);
    const row = await other.batches.batchOf(made[0]!.id, owner);
    expect(row).toEqual({
      ...made[0],
      ...{ status: 'validating', errors: null, model: null, inProgressAt: null, finalizingAt: null, completedAt: null, failedAt: null },
      ...{ expiredAt: null, cancellingAt: null, cancelledAt: null, outputFile: null, errorFile: null, total: 0, completed: 0, failed: 0 },
      ...{ usage: NOTHING_USED, pause: null },
    });
    expect(await batches.batchOf(made[0]!.id, 'other')).toBeNull();
    const listed = await batches.listBatches(owner, { after: null, limit: 1, order: 'desc' });
    expect(listed).toEqual({ rows: [row], hasMore: true, isKnown: true });
    expect(await batches.listBatches(owner, { after: 'nobody', limit: 1, order: 'desc' })).toMatchObject({ isKnown: false });
    const mine = (await batches.openBatches()).filter((batch) => batch.owner === owner);
    expect(mine.map(({ id }) => id)).toEqual([made[1]!.id, made[0]!.id]);
    // Waits have parts of a millisecond.
    await batches.setPause(made[0]!.id, { reason: 'quota', untilMs: NOW + 4.25 });
    expect(await batches.batchOf(made[0]!.id, null)).toMatchObject({ pause: { reason: 'quota', untilMs: NOW + 5 } });
    await batches.setPause(made[0]!.id, null);
    expect(await batches.batchOf(made[0]!.id, null)).toMatchObject({ pause: null });
  });

  test('are validated by one at a time; what an earlier one has left is dropped, and it writes nothing more', async () => {
    const [one, two] = driver.processes;
    const batch = newBatch();
    await one.batches.addBatch(batch);
    const [first, second] = [await holderAt(one), await holderAt(two)];
    const epochs = await Promise.all([one.batches.claimBatch(batch.id, first, NOW), two.batches.claimBatch(batch.id, second, NOW)]);
    expect(epochs.filter((epoch) => epoch === null)).toHaveLength(1);
    const [winner, loser] = epochs[0] === null ? [second, first] : [first, second];
    const old = (await one.batches.claimBatch(batch.id, winner, NOW))!;
    expect(await one.batches.beginLines(batch.id, old)).toBe(true);
    expect(
      await one.batches.addLines(
        batch.id,
        old,
        lineRows(700, () => 'old'),
      ),
    ).toBe(true);
    await driver.silence(winner);
    const epoch = (await two.batches.claimBatch(batch.id, loser, NOW))!;
    expect(epoch).toBeGreaterThan(old);
    expect(await one.batches.addLines(batch.id, old, lineRows(10))).toBe(false);
    expect(await one.batches.beginLines(batch.id, old)).toBe(false);
    expect(await one.batches.endValidation(batch.id, old, { total: 700, model: 'old', errors: null }, NOW)).toBeNull();
    await two.batches.beginLines(batch.id, epoch);
    const lines = lineRows(300, (rank) => (rank < 260 ? 'a' : 'b'));
    // Said twice, and out of order.
    for (const part of [lines.slice(200), lines.slice(0, 200), lines.slice(0, 250)]) await two.batches.addLines(batch.id, epoch, part);
    expect(await two.batches.claimSlice(batch.id, loser, null, NOW)).toBeNull();
    const found = { total: 300, model: null, errors: null };
    const row = await two.batches.endValidation(batch.id, epoch, found, NOW + 1);
    expect(row).toMatchObject({ status: 'in_progress', inProgressAt: NOW + 1, total: 300 });
    expect(await two.batches.endValidation(batch.id, epoch, found, NOW + 2)).toEqual(row);
    expect(await one.batches.waitingLines(batch.id)).toEqual(
      new Map([
        ['a', 260],
        ['b', 40],
      ]),
    );
    const claimed = (await two.batches.claimSlice(batch.id, loser, null, NOW))!;
    expect(claimed.lines).toEqual(lines.slice(0, 256).map((line) => ({ ...line, attempts: 0 })));
    await one.batches.holdOn({ id: winner, process: null }, NOW);
    await until(async () => (await driver.lineRows()) < 700, 'the old lines are taken away');
  });

  test('that cannot be run fail with what is wrong, and are not open any more', async () => {
    const [one] = driver.processes;
    const batch = newBatch();
    await one.batches.addBatch(batch);
    const epoch = (await one.batches.claimBatch(batch.id, await holderAt(one), NOW))!;
    const errors = [{ code: 'invalid_json_line', message: '"quoted"', param: null, line: 3 }];
    const row = await one.batches.endValidation(batch.id, epoch, { total: 5, model: 'm', errors }, NOW);
    expect(row).toMatchObject({ status: 'failed', failedAt: NOW, errors, total: 0, model: null });
    expect(await one.batches.cancelBatch(batch.id, null, NOW)).toEqual(row);
    expect(await one.batches.claimBatch(batch.id, await holderAt(one), NOW)).toBeNull();
    expect((await one.batches.openBatches()).map(({ id }) => id)).not.toContain(batch.id);
  });

  test('give each slice to one holder, by the model of its first line that has not ended', async () => {
    const [one, two] = driver.processes;
    const id = await validBatch(
      one,
      lineRows(600, (rank) => (rank < 300 ? 'a' : 'b')),
    );
    const [first, second] = [await holderAt(one), await holderAt(two)];
    expect(await one.batches.claimSlice(id, 'nobody', null, NOW)).toBeNull();
    expect(await one.batches.claimSlice(id, first, ['c'], NOW)).toBeNull();
    expect((await one.batches.claimSlice(id, first, ['b'], NOW))?.claim).toEqual({ batch: id, slice: 2, epoch: 1 });
    const both = await Promise.all([one.batches.claimSlice(id, first, null, NOW), two.batches.claimSlice(id, second, null, NOW)]);
    expect(both.map((claimed) => claimed?.claim.slice).sort()).toEqual([0, 1]);
    expect(await one.batches.claimSlice(id, first, null, NOW)).toBeNull();
    const [at, mine] = both[0]!.claim.slice === 1 ? [0, first] : [1, second];
    const { claim } = both[at]!;
    const lines = Array.from({ length: 44 }, (_, i) => ended(claim, 256 + i));
    await one.batches.settle({ batch: id, holder: mine, lines, outputBytes: 1, errorBytes: 0 }, NOW);
    await one.batches.releaseSlice({ ...claim, epoch: claim.epoch + 1 }, mine);
    expect(await one.batches.claimSlice(id, second, ['a', 'b'], NOW)).toBeNull();
    await one.batches.releaseSlice(claim, mine);
    expect(await one.batches.claimSlice(id, second, ['a'], NOW)).toBeNull();
    const again = (await two.batches.claimSlice(id, second, ['b'], NOW))!;
    expect(again.claim).toEqual({ ...claim, epoch: claim.epoch + 1 });
    expect(again.lines[0]).toMatchObject({ rank: 300, model: 'b' });
    expect(again.lines).toHaveLength(212);
  });

  test('count each line once, however often that is said, and nothing of a claim that is lost', async () => {
    const [one, two] = driver.processes;
    const id = await validBatch(one, lineRows(300));
    const [first, second] = [await holderAt(one), await holderAt(two)];
    const { claim } = (await one.batches.claimSlice(id, first, null, NOW))!;
    const tail = (await one.batches.claimSlice(id, first, null, NOW))!.claim;
    const used = { input: 10, cached: 4, output: 5, reasoning: 1 };
    const lines = [
      ended(claim, 3, 'completed', used),
      ended(claim, 4, 'failed', used),
      ended(claim, 5, 'again'),
      ended(tail, 256, 'expired'),
    ];
    const settling = { batch: id, holder: first, lines, outputBytes: 100, errorBytes: 70 };
    const counted = { completed: 1, failed: 1, usage: { input: 20, cached: 8, output: 10, reasoning: 2 } };
    const answer = await one.batches.settle(settling, NOW);
    expect(answer).toMatchObject({ kind: 'settled', row: counted });
    expect(await one.batches.settle(settling, NOW)).toEqual(answer);
    expect(await two.batches.waitingLines(id)).toEqual(new Map([['m', 297]]));
    await driver.silence(first);
    const taken = (await two.batches.claimSlice(id, second, null, NOW))!;
    expect(taken.claim).toEqual({ ...claim, epoch: claim.epoch + 1 });
    expect(taken.lines.map(({ rank }) => rank)).not.toContain(3);
    expect(taken.lines.find(({ rank }) => rank === 5)!.attempts).toBeGreaterThan(0);
    // Of what has been written the holder of then may still be told; of anything else not.
    expect(await one.batches.settle(settling, NOW)).toEqual(answer);
    const late = { ...settling, lines: [ended(claim, 7), ended(tail, 257)], outputBytes: 200 };
    const lost = await one.batches.settle(late, NOW);
    expect(lost).toMatchObject({ kind: 'stale', slices: expect.arrayContaining([0]) as unknown });
    expect(await one.batches.journalsOf(id)).toEqual([{ holder: first, outputBytes: 100, errorBytes: 70 }]);
    expect(await one.batches.batchOf(id, null)).toMatchObject(counted);
    const shorter = { batch: id, holder: second, lines: [ended(taken.claim, 8)], outputBytes: 50, errorBytes: 50 };
    expect(await two.batches.settle(shorter, NOW)).toMatchObject({ kind: 'settled', row: { completed: 2 } });
    await expect(two.batches.settle({ ...shorter, outputBytes: 49 }, NOW)).rejects.toMatchObject({ trouble: 'error' });
    await expect(two.batches.settle({ ...shorter, lines: [ended(taken.claim, 256)] }, NOW)).rejects.toMatchObject({ trouble: 'error' });
    expect(await two.batches.waitingLines(id)).toEqual(new Map([['m', 296]]));
  });

  test('leave a dead process nothing at once, and a silent one after its lease; who lets go has nothing either', async () => {
    const [one, two] = driver.processes;
    const id = await validBatch(one, lineRows(10));
    const child: ChildProcess = spawn('sleep', ['600']);
    const doomed = fresh('life');
    await one.batches.holdOn({ id: doomed, process: processOf(child.pid!) }, NOW);
    expect((await one.batches.claimSlice(id, doomed, null, NOW))?.claim.epoch).toBe(1);
    const heir = fresh('life');
    await two.batches.holdOn({ id: heir, process: processOf(process.pid) }, NOW);
    expect(await two.batches.claimSlice(id, heir, null, NOW)).toBeNull();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await two.batches.claimSlice(id, heir, null, NOW))?.claim.epoch).toBe(2);
    const third = await holderAt(one);
    expect(await one.batches.claimSlice(id, third, null, NOW)).toBeNull();
    await driver.silence(heir);
    expect((await one.batches.claimSlice(id, third, null, NOW))?.claim.epoch).toBe(3);
    expect(await two.batches.claimSlice(id, heir, null, NOW)).toBeNull();
    await one.batches.letGo(third);
    await two.batches.holdOn({ id: heir, process: processOf(process.pid) }, NOW);
    expect((await two.batches.claimSlice(id, heir, null, NOW))?.claim.epoch).toBe(4);
  });

  test('end with their files in one, when all lines have ended, and leave no rows of lines', async () => {
    const [one, two] = driver.processes;
    const id = await validBatch(one, lineRows(3));
    const holder = await holderAt(one);
    const early = (await one.batches.claimBatch(id, holder, NOW))!;
    expect(await one.batches.beginFinalizing(id, early, NOW)).toBeNull();
    const { claim } = (await one.batches.claimSlice(id, holder, null, NOW))!;
    const lines = [0, 1, 2].map((rank) => ended(claim, rank));
    await one.batches.settle({ batch: id, holder, lines, outputBytes: 9, errorBytes: 0 }, NOW);
    expect(await one.batches.claimSlice(id, holder, null, NOW)).toBeNull();
    expect(await one.batches.beginFinalizing(id, early, NOW + 1)).toMatchObject({ status: 'finalizing', finalizingAt: NOW + 1 });
    await driver.silence(holder);
    const heir = await holderAt(two);
    const epoch = (await two.batches.claimBatch(id, heir, NOW))!;
    const output = fileRow({ bytes: 9, purpose: 'batch_output' });
    const end = { status: 'completed', output, error: null } as const;
    const bytes = await one.files.totalBytes();
    expect(await one.batches.finish(id, early, { ...end, output: fileRow() }, NOW)).toBe(false);
    expect(await two.batches.beginFinalizing(id, epoch, NOW + 2)).toMatchObject({ status: 'finalizing', finalizingAt: NOW + 1 });
    expect(await two.batches.finish(id, epoch, end, NOW + 3)).toBe(true);
    expect(await two.batches.finish(id, epoch, end, NOW + 4)).toBe(true);
    expect(await one.batches.batchOf(id, null)).toMatchObject({
      ...{ status: 'completed', completedAt: NOW + 3, outputFile: output.id, errorFile: null, total: 3, completed: 3 },
    });
    expect(await one.files.fileOf(output.id, 'app', NOW)).toEqual(output);
    expect(await one.files.totalBytes()).toBe(bytes + 9);
    expect(await one.batches.journalsOf(id)).toEqual([]);
    expect(await one.batches.settle({ batch: id, holder, lines, outputBytes: 9, errorBytes: 0 }, NOW)).toMatchObject({ kind: 'stale' });
  });

  test('that are cancelled stay that: before, during and after their validation, and while they are finalized', async () => {
    const [one] = driver.processes;
    const { batches } = one;
    const holder = await holderAt(one);
    const end = { status: 'completed', output: null, error: null } as const;
    const early = newBatch();
    await batches.addBatch(early);
    const begun = (await batches.claimBatch(early.id, holder, NOW))!;
    await batches.beginLines(early.id, begun);
    expect(await batches.cancelBatch(early.id, 'other', NOW)).toBeNull();
    const cancelling = await batches.cancelBatch(early.id, 'app', NOW + 1);
    expect(cancelling).toMatchObject({ status: 'cancelling', cancellingAt: NOW + 1 });
    expect(await batches.cancelBatch(early.id, 'app', NOW + 2)).toEqual(cancelling);
    expect(await batches.addLines(early.id, begun, lineRows(5))).toBe(true);
    const epoch = (await batches.claimBatch(early.id, holder, NOW))!;
    expect(await batches.addLines(early.id, begun, lineRows(5))).toBe(false);
    expect(await batches.beginFinalizing(early.id, epoch, NOW)).toMatchObject({ status: 'cancelling', total: 0 });
    expect(await batches.finish(early.id, epoch, end, NOW + 3)).toBe(true);
    expect(await batches.batchOf(early.id, null)).toMatchObject({ status: 'cancelled', cancelledAt: NOW + 3, completedAt: null });

    const during = newBatch();
    await batches.addBatch(during);
    const validating = (await batches.claimBatch(during.id, holder, NOW))!;
    await batches.beginLines(during.id, validating);
    await batches.addLines(during.id, validating, lineRows(2));
    await batches.cancelBatch(during.id, null, NOW);
    const found = { total: 2, model: 'm', errors: null };
    expect(await batches.endValidation(during.id, validating, found, NOW)).toMatchObject({
      status: 'cancelling',
      total: 2,
      inProgressAt: null,
    });
    const { claim } = (await batches.claimSlice(during.id, holder, null, NOW))!;
    const lines = [ended(claim, 0, 'cancelled'), ended(claim, 1, 'completed')];
    const settled = await batches.settle({ batch: during.id, holder, lines, outputBytes: 1, errorBytes: 1 }, NOW);
    expect(settled).toMatchObject({ kind: 'settled', row: { completed: 1, failed: 0, status: 'cancelling' } });
  });

  test('tell who listens when there may be work', async () => {
    const [{ batches }] = driver.processes;
    await batches.openBatches();
    let heard = 0;
    const stop = batches.onWork(() => (heard += 1));
    await until(async () => {
      await batches.addBatch(newBatch());
      return heard > 0;
    }, 'it is heard');
    stop();
  });
});
