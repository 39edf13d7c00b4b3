import { mkdtempSync, rmSync } from 'node:fs';
import { link } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JournalFolder } from '../../../../gateway/files/journal-folder.ts';
import { linesSoFar } from '../../../../gateway/batches/journals/lines-so-far.ts';

let path: string;
let journals: JournalFolder;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'journals-'));
  journals = new JournalFolder({ path, batchFolder: (batch) => join(path, batch), adopt: link });
});
afterEach(() => rmSync(path, { recursive: true }));

const bytesOf = (lines: readonly string[]): Buffer[] => lines.map((line) => Buffer.from(`${line}\n`));

/** A journal that goes on: what it holds is on record up to what is returned. */
function journalOf(holder: string) {
  const journal = journals.open('b', holder, { outputBytes: 0, errorBytes: 0 });
  return {
    async write(out: readonly string[], err: readonly string[] = []) {
      const lengths = await journal.append({ out: bytesOf(out), err: bytesOf(err) });
      journal.commit(lengths);
      return { holder, outputBytes: lengths.out, errorBytes: lengths.err };
    },
    /** Nobody has put it on record. */
    writeInVain: (line: string) => journal.append({ out: bytesOf([line]), err: [] }),
    close: () => journal.close(),
  };
}

test('lines of all journals that are on record come once each, however few are asked for at once', async () => {
  const [one, two, three] = [journalOf('one'), journalOf('two'), journalOf('three')];
  const seen: string[] = [];
  let after = '';
  const ask = async (rows: Parameters<typeof linesSoFar>[2], most: number): Promise<number> => {
    const found = (await linesSoFar(journals, 'b', rows, 'out', after, most))!;
    after = found.next;
    const lines = Buffer.concat(found.lines).toString().split('\n').slice(0, -1);
    seen.push(...lines);
    return lines.length;
  };
  const rows = [await one.write(['a1', 'a2', 'a3'], ['x']), await two.write(['b1', 'a line that is longer than all that was asked for'])];
  await one.writeInVain('never');
  while ((await ask(rows, 7)) > 0);
  expect(seen.toSorted()).toEqual(['a line that is longer than all that was asked for', 'a1', 'a2', 'a3', 'b1']);
  expect(await ask(rows, 1_000)).toBe(0);
  const later = [await one.write(['a4']), rows[1]!, await three.write(['c1'])];
  expect(await ask(later, 1_000)).toBe(2);
  expect(seen.slice(-2)).toEqual(['a4', 'c1']);
  const errors = await linesSoFar(journals, 'b', later, 'err', '', 1_000);
  expect(Buffer.concat(errors!.lines).toString()).toBe('x\n');
  // The batch has ended: its journals have become files.
  await Promise.all([one.close(), two.close(), three.close(), journals.remove('b')]);
  expect(await linesSoFar(journals, 'b', later, 'out', '', 1_000)).toEqual({ lines: [], next: '' });
});

test.each(['x', '0123abcd', '0123abcd-', '0123abcd-1.', '0123ABCD-1', '../../etc', Array(1_002).fill('0123abcd-1').join('.')])(
  'what is no place is none: %.20s',
  async (after) => expect(await linesSoFar(journals, 'b', [], 'out', after, 10)).toBeNull(),
);
