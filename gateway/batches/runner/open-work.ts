import type { Route } from '../../core/call.ts';
import type { Principal } from '../../core/principal.ts';
import type { BatchRow } from '../../state/store/batch-terms.ts';
import { BatchWork } from './batch-work.ts';
import { InputFile } from '../journals/input-file.ts';
import type { RunnerParts } from './runner-parts.ts';
import { type Result, Settler } from '../journals/settler.ts';

interface Heard {
  readonly onSettled: (work: BatchWork, row: BatchRow, results: readonly Result[]) => void;
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovered: () => void;
}

/** Takes a batch up: its input file is open from now on, and its journals go on where this process had left them. @throws StoreFailed */
export async function openWork(
  { clock, records, bytes, holder }: Pick<RunnerParts, 'clock' | 'records' | 'bytes' | 'holder'>,
  { row, route, principal }: { readonly row: BatchRow; readonly route: Route; readonly principal: Principal },
  { onSettled, onTrouble, onRecovered }: Heard,
): Promise<BatchWork | Error> {
  let input: InputFile;
  try {
    input = await InputFile.open(bytes, row.inputFile);
  } catch (error) {
    return error as Error;
  }
  try {
    const own = (await records.journalsOf(row.id)).find((journal) => journal.holder === holder.id);
    const journal = bytes.journals.open(row.id, holder.id, own ?? { outputBytes: 0, errorBytes: 0 });
    const settler = new Settler({
      ...{ clock, records, batch: row.id, holder: holder.id, journal, onTrouble, onRecovered },
      onSettled: (now, results) => onSettled(work, now, results),
      onStale: (slices) => work.lose(slices),
    });
    const work: BatchWork = new BatchWork(row, principal, route, input, settler);
    return work;
  } catch (error) {
    await input.close();
    throw error;
  }
}
