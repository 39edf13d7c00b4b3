import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JournalFolder } from '../../../../gateway/files/journal-folder.ts';
import { Settler } from '../../../../gateway/batches/journals/settler.ts';
import { StoreFailed } from '../../../../gateway/state/store/store-failed.ts';
import type { BatchRow, Settled, Settling } from '../../../../gateway/state/store/batch-terms.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { until } from '../../../support/gateway.ts';

// The law of results: whatever fails, and however often, what is committed of the journals is what was settled, each line once.

type Fault = 'none' | 'before' | 'after' | 'disk' | 'stale';

test('what is committed is what was settled, each line once', async () => {
  const faults = fc.array(fc.constantFrom<Fault>('none', 'none', 'before', 'after', 'disk', 'stale'), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(faults, fc.array(fc.nat(3), { minLength: 1, maxLength: 60 }), async (faultsAsked, slices) => {
      const script = [...faultsAsked];
      const folder = mkdtempSync(join(tmpdir(), 'journals-'));
      const places = {
        path: folder,
        batchFolder: () => join(folder, 'b'),
        adopt: async () => {},
      };
      const clock = createFakeClock();
      const journal = new JournalFolder(places).open('b', 'h', { outputBytes: 0, errorBytes: 0 });
      const settledRanks: number[] = [];
      const lost = new Set<number>();
      let [committed, last] = [0, ''];
      const next = (): Fault => script.shift() ?? 'none';
      const settle = async (asked: Settling): Promise<Settled> => {
        const fault = next();
        if (fault === 'before') throw new StoreFailed('timeout', 'x');
        // The same said again is the same, whoever has the slices now.
        if (JSON.stringify(asked) === last) return { kind: 'settled', row: {} as BatchRow };
        const stale = [...new Set(asked.lines.map(({ slice }) => slice))].filter((slice) => lost.has(slice));
        if (fault === 'stale') lost.add(asked.lines[0]!.slice);
        if (stale.length > 0 || fault === 'stale')
          return { kind: 'stale', slices: [...new Set([...stale, ...(fault === 'stale' ? [asked.lines[0]!.slice] : [])])] };
        settledRanks.push(...asked.lines.map(({ rank }) => rank));
        [committed, last] = [asked.outputBytes, JSON.stringify(asked)];
        if (fault === 'after') throw new StoreFailed('timeout', 'x');
        return { kind: 'settled', row: {} as BatchRow };
      };
      const faulty: typeof journal.append = async (lines) => {
        if (script[0] === 'disk') {
          script.shift();
          throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        }
        return journal.append(lines);
      };
      const heard: number[] = [];
      const settler = new Settler({
        ...{ clock, records: { settle }, batch: 'b', holder: 'h' },
        journal: { append: faulty, commit: (lengths) => journal.commit(lengths), close: () => journal.close() },
        onSettled: (_, results) => heard.push(...results.map(({ rank }) => rank)),
        onStale: () => {},
        onTrouble: () => {},
        onRecovered: () => {},
      });
      slices.forEach((slice, rank) =>
        settler.add({
          slice,
          epoch: 1,
          rank,
          end: 'completed',
          usage: null,
          line: { side: 'out', bytes: Buffer.from(`${rank}\n`) },
          ms: 1,
        }),
      );
      let isFlushed = false;
      void settler.flush().then(() => (isFlushed = true));
      await until(async () => (await clock.advance(31_000), isFlushed), 'all is on record');
      expect(settler.bytes).toBe(0);
      await settler.close();
      const written = committed === 0 ? '' : readFileSync(join(folder, 'b', 'h.out')).toString('latin1', 0, committed);
      expect(written.split('\n').filter(Boolean).map(Number)).toEqual(settledRanks);
      expect(new Set(settledRanks).size).toBe(settledRanks.length);
      expect(heard).toEqual(settledRanks);
      const kept = slices.flatMap((slice, rank) => (lost.has(slice) ? [] : [rank]));
      for (const rank of kept) expect(settledRanks).toContain(rank);
    }),
    { numRuns: 40 },
  );
});
