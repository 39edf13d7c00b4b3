import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Draft } from '../../../gateway/files/draft.ts';
import type { Journal } from '../../../gateway/state/store/batch-terms.ts';
import type { FileBytes, Side } from '../../../gateway/state/store/file-bytes.ts';
import { type BytesDriver, BYTES_DRIVERS } from './bytes-drivers.ts';

const CHUNK = 262_144;
let made = 0;
const nextId = (): string => `file-${String(++made).padStart(32, '0')}`;
const nextBatch = (): string => `batch_${String(++made).padStart(32, '0')}`;

/** Bytes of which each piece is another. */
function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, state = seed; at < length; at++) bytes[at] = (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) >>> 16;
  return bytes;
}

async function write(bytes: FileBytes, id: string, data: Buffer, pieceBytes = 65_536): Promise<void> {
  const draft = await bytes.draft(id);
  for (let at = 0; at < data.length; at += pieceBytes) await draft.append(data.subarray(at, at + pieceBytes));
  await draft.keep();
}

async function readAll(bytes: FileBytes, id: string, blockBytes = 131_072): Promise<Buffer> {
  const file = await bytes.open(id);
  const blocks: Buffer[] = [];
  for (let at = 0; ;) {
    const block = Buffer.alloc(blockBytes);
    const read = await file.read(block, at);
    if (read === 0) break;
    blocks.push(block.subarray(0, read));
    at += read;
  }
  await file.close();
  const all = Buffer.concat(blocks);
  expect(all.length).toBe(file.size);
  return all;
}

async function sweep(bytes: FileBytes, now: number): Promise<void> {
  for (const name of await bytes.leftovers(now, 100)) await bytes.removeLeftover(name);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe.each(BYTES_DRIVERS)('bytes $name', ({ name, missing, open }) => {
  if (missing !== null) {
    test.skip(`${name}: ${missing}`, () => {});
    return;
  }
  let driver: BytesDriver;
  beforeAll(async () => void (driver = await open()), 60_000);
  afterAll(() => driver[Symbol.asyncDispose]());

  test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_000])(
    'of %d are there when they are kept, and not before',
    async (length) => {
      const [one, other] = driver.processes;
      const [id, data] = [nextId(), noise(length)];
      const draft = await one.draft(id);
      for (let at = 0; at < length; at += 100_000) await draft.append(data.subarray(at, at + 100_000));
      await expect(other.open(id)).rejects.toMatchObject({ code: 'ENOENT' });
      await draft.keep();
      expect((await readAll(other, id)).equals(data)).toBe(true);
    },
  );

  test('of 20 MB are afterwards as they were before', { timeout: 60_000 }, async () => {
    const [one, other] = driver.processes;
    const [id, data] = [nextId(), noise(20_000_000)];
    await write(one, id, data);
    expect(digest(await readAll(other, id, 1_048_576))).toBe(digest(data));
    await one.remove(id);
  });

  test('are read from any place to any other, in any order, by several at once', async () => {
    const [one] = driver.processes;
    const [id, data] = [nextId(), noise(1_300_000, 7)];
    await write(one, id, data);
    const file = await one.open(id);
    const range = fc.tuple(fc.nat(1_310_000), fc.oneof(fc.nat(300), fc.nat(600_000)));
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 1, maxLength: 6 }), async (ranges) => {
        const reads = ranges.map(async ([position, length]) => {
          const into = Buffer.alloc(length);
          const read = await file.read(into, position);
          const wanted = data.subarray(position, position + length);
          expect([read, into.subarray(0, read).equals(wanted)]).toEqual([wanted.length, true]);
        });
        await Promise.all(reads);
      }),
      { numRuns: 20 },
    );
    // One piece after the other, as they are sent.
    for (let at = 0; at < data.length; at += 10_007) {
      const into = Buffer.alloc(10_007);
      const read = await file.read(into, at);
      expect(into.subarray(0, read).equals(data.subarray(at, at + 10_007))).toBe(true);
    }
    await file.close();
  });

  test('that were cut off leave nothing', async () => {
    const [one] = driver.processes;
    const before = await driver.count();
    const draft = await Draft.begin(one, nextId());
    await draft.write(noise(700_000));
    expect(await driver.count()).toBe(before + 1);
    await draft.discard();
    await draft.discard();
    expect(await driver.count()).toBe(before);
    await expect(draft.keep()).rejects.toThrow('before');
  });

  test('are kept once, and stay when they are discarded behind it', async () => {
    const [one] = driver.processes;
    const id = nextId();
    const draft = await Draft.begin(one, id);
    await draft.write(Buffer.from('once'));
    await draft.keep();
    await expect(draft.keep()).rejects.toThrow('before');
    await draft.discard();
    expect((await readAll(one, id)).toString()).toBe('once');
  });

  test('are read to their end by whoever reads when they are removed, and are gone then', async () => {
    const [one, other] = driver.processes;
    await sweep(one, await driver.age());
    const before = await driver.count();
    const [id, data] = [nextId(), noise(900_000, 3)];
    await write(one, id, data);
    const file = await other.open(id);
    const into = Buffer.alloc(data.length);
    await file.read(into.subarray(0, 1_000), 0);
    await one.remove(id);
    await one.remove(id);
    await sweep(one, Date.now());
    await expect(other.open(id)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await file.read(into, 0)).toBe(data.length);
    expect(into.equals(data)).toBe(true);
    await file.close();
    await sweep(one, await driver.age());
    expect(await driver.count()).toBe(before);
  });

  test('that nobody writes any more are leftovers; those that somebody writes are not', async () => {
    const [one] = driver.processes;
    const before = await driver.count();
    const [living, id] = [await one.draft(nextId()), nextId()];
    await living.append(noise(300_000));
    await driver.leaveDraft(id);
    await driver.leaveDraft(nextId());
    expect(await one.leftovers(Date.now(), 1)).toHaveLength(1);
    await sweep(one, Date.now());
    expect(await driver.count()).toBe(before + 1);
    await living.append(noise(300_000));
    await living.keep();
    await expect(one.open(id)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('without a row are nobody’s when they are old, and not before', async () => {
    const [one] = driver.processes;
    const id = nextId();
    await write(one, id, Buffer.from('x'));
    const known = () => Promise.resolve(new Set(['another']));
    expect(await one.nameless(Date.now(), 1_000, known)).not.toContain(id);
    expect(await one.nameless(await driver.age(), 1_000, known)).toContain(id);
  });

  describe('journals', () => {
    const NOTHING = { outputBytes: 0, errorBytes: 0 };
    const journalOf = (holder: string, outputBytes: number, errorBytes = 0): Journal => ({ holder, outputBytes, errorBytes });
    const lines = (out: string, err = ''): Record<Side, Buffer[]> => ({
      out: out === '' ? [] : [Buffer.from(out)],
      err: err === '' ? [] : [Buffer.from(err)],
    });

    test('of several holders become one file, of what is committed; the holders may write on, and change nothing', async () => {
      const [one, other] = driver.processes;
      const batch = nextBatch();
      const [mine, his] = [one.journals.open(batch, 'a', NOTHING), other.journals.open(batch, 'b', NOTHING)];
      mine.commit(await mine.append(lines('a1\n', 'e1\n')));
      const long = `${'b'.repeat(600_000)}\n`;
      his.commit(await his.append(lines(long)));
      const lengths = await mine.append(lines('a2\n'));
      expect(lengths).toEqual({ out: 6, err: 3 });
      mine.commit(lengths);
      // Written, and never committed.
      await his.append(lines('lost'));
      const id = nextId();
      const journals = [journalOf('a', 6, 3), journalOf('b', long.length)];
      expect(await one.journals.assemble(batch, journals, 'out', id, 'a')).toBe(6 + long.length);
      await his.append(lines('late\n'.repeat(10)));
      expect((await readAll(one, id)).toString()).toBe(`a1\na2\n${long}`);
      const errors = nextId();
      expect(await one.journals.assemble(batch, journals, 'err', errors, 'a')).toBe(3);
      expect((await readAll(other, errors)).toString()).toBe('e1\n');
      await mine.close();
      await his.close();
      expect(await one.journals.batches()).toContain(batch);
      await one.journals.remove(batch);
      expect(await one.journals.batches()).not.toContain(batch);
      expect((await readAll(one, id)).length).toBe(6 + long.length);
    });

    test('of nobody else become a file as often as somebody needs it; of nothing there is none', async () => {
      const [one] = driver.processes;
      const batch = nextBatch();
      const before = await driver.count();
      expect(await one.journals.assemble(batch, [], 'out', nextId(), 'a')).toBe(0);
      expect(await one.journals.assemble(batch, [journalOf('a', 0)], 'out', nextId(), 'a')).toBe(0);
      expect(await driver.count()).toBe(before);
      const mine = one.journals.open(batch, 'a', NOTHING);
      mine.commit(await mine.append(lines('one\n')));
      await mine.append(lines('too much\n'));
      await mine.close();
      const ids = [nextId(), nextId()];
      for (const id of ids) expect(await one.journals.assemble(batch, [journalOf('a', 4)], 'out', id, 'a')).toBe(4);
      await one.journals.remove(batch);
      for (const id of ids) expect((await readAll(one, id)).toString()).toBe('one\n');
    });

    test('that are shorter than what is committed of them make no file, and nothing is left', async () => {
      const [one] = driver.processes;
      const batch = nextBatch();
      const mine = one.journals.open(batch, 'a', NOTHING);
      mine.commit(await mine.append(lines('short')));
      await mine.close();
      const before = await driver.count();
      const id = nextId();
      await expect(one.journals.assemble(batch, [journalOf('a', 6)], 'out', id, 'b')).rejects.toThrow('shorter');
      await expect(one.journals.assemble(batch, [journalOf('c', 1)], 'out', id, 'b')).rejects.toThrow();
      await expect(one.open(id)).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await driver.count()).toBe(before);
      await one.journals.remove(batch);
    });

    test('hold what was committed, however often it was written, given up and opened anew', { timeout: 60_000 }, async () => {
      const length = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 200_000, max: 1_400_000 }));
      const step = fc.record({ length, isCommitted: fc.boolean(), isSaidAgain: fc.boolean(), opensAnew: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
          const [one, other] = driver.processes;
          const batch = nextBatch();
          let journal = one.journals.open(batch, 'a', NOTHING);
          let committed = Buffer.alloc(0);
          for (const [seed, { length: bytes, isCommitted, isSaidAgain, opensAnew }] of steps.entries()) {
            const text = noise(bytes, seed + 1);
            const lengths = await journal.append({ out: [text], err: [] });
            expect(lengths.out).toBe(committed.length + bytes);
            // The store has heard of it, and nobody was told.
            if (isSaidAgain) await journal.append({ out: [text], err: [] });
            if (isCommitted) {
              committed = Buffer.concat([committed, text]);
              journal.commit(lengths);
            }
            if (!opensAnew) continue;
            await journal.close();
            journal = one.journals.open(batch, 'a', { outputBytes: committed.length, errorBytes: 0 });
          }
          await journal.close();
          const id = nextId();
          const total = await other.journals.assemble(batch, [journalOf('a', committed.length)], 'out', id, 'b');
          expect(total).toBe(committed.length);
          if (total > 0) expect((await readAll(one, id, 700_000)).equals(committed)).toBe(true);
          await one.journals.remove(batch);
        }),
        { numRuns: 15 },
      );
    });
  });
});
