import type { BatchRow, LineEnd } from '../../state/store/batch-terms.ts';
import type { FileRow } from '../../state/store/file-terms.ts';
import { InputFile } from '../journals/input-file.ts';
import type { JournalFolder, Side } from '../journals/journal-folder.ts';
import { unansweredLine } from '../output-line.ts';
import { requestLine } from '../request-line.ts';
import type { RunnerParts } from './runner-parts.ts';
import { Settler } from '../journals/settler.ts';

/** How a batch ends. */
export type End = 'completed' | 'expired' | 'cancelled';

/** What the file says of lines that never ran, in OpenAI's words. */
const NEVER_RAN = {
  expired: { code: 'batch_expired', message: 'This request could not be executed before the completion window expired.' },
  cancelled: { code: 'batch_cancelled', message: 'This request was not executed, because the batch was cancelled.' },
} as const;

export type EndingParts = Pick<RunnerParts, 'clock' | 'records' | 'folder' | 'holder' | 'newId' | 'events' | 'filesExpireAfterMs'> & {
  readonly journals: JournalFolder;
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovered: () => void;
  readonly leaving: AbortSignal;
};

/**
 * Brings a batch to its end: lines that never ran get theirs, journals become files. @returns its last row; null: something of it is still
 * another's, and it is to be tried again
 * @throws StoreFailed, and what the disk says
 */
export async function endBatch(parts: EndingParts, row: BatchRow, how: End): Promise<BatchRow | null> {
  const { clock, records, holder, journals, events } = parts;
  if (how !== 'completed') await endLines(parts, row, how);
  const epoch = await records.claimBatch(row.id, holder.id, clock.wall());
  if (epoch === null) return null;
  const begun = await records.beginFinalizing(row.id, epoch, clock.wall());
  if (begun === null) return null;
  const status = begun.status === 'cancelling' ? 'cancelled' : how;
  const written = await records.journalsOf(row.id);
  const file = async (side: Side): Promise<FileRow | null> => {
    const id = `file-${parts.newId()}`;
    const bytes = await journals.assemble(row.id, written, side, id, holder.id);
    return bytes === 0 ? null : fileRow(parts, begun, side, id, bytes);
  };
  const [output, error] = [await file('out'), await file('err')];
  if (!(await records.finish(row.id, epoch, { status, output, error }, clock.wall()))) return null;
  events.batchEnded({ id: row.id, status, total: begun.total, completed: begun.completed, failed: begun.failed });
  await journals.remove(row.id);
  return begun;
}

function fileRow({ clock, filesExpireAfterMs }: EndingParts, batch: BatchRow, side: Side, id: string, bytes: number): FileRow {
  const createdAt = Math.floor(clock.wall());
  const afterMs = batch.outputExpiresAfterS === null ? filesExpireAfterMs() : batch.outputExpiresAfterS * 1_000;
  const filename = `${batch.id}_${side === 'out' ? 'output' : 'error'}.jsonl`;
  return { id, owner: batch.owner, bytes, createdAt, filename, purpose: 'batch_output', expiresAt: createdAt + afterMs };
}

/** Every line that has not ended, and that nobody runs, ends. */
async function endLines(parts: EndingParts, row: BatchRow, end: Exclude<LineEnd & End, 'completed'>): Promise<void> {
  const { clock, records, holder, journals, events, folder, newId } = parts;
  let claimed = await records.claimSlice(row.id, holder.id, null, clock.wall());
  if (claimed === null) return;
  const own = (await records.journalsOf(row.id)).find((journal) => journal.holder === holder.id);
  const journal = journals.open(row.id, holder.id, own ?? { outputBytes: 0, errorBytes: 0 });
  const settler = new Settler({
    ...{ clock, records, batch: row.id, holder: holder.id, journal },
    onSettled: (_, results) => results.forEach(() => events.lineEnded(end, null)),
    onStale: () => {},
    onTrouble: parts.onTrouble,
    onRecovered: parts.onRecovered,
  });
  const leave = (): void => void settler.close();
  parts.leaving.addEventListener('abort', leave);
  const input = await InputFile.open(folder.pathOf(row.inputFile)).catch(() => null);
  try {
    for (; claimed !== null && !parts.leaving.aborted; claimed = await records.claimSlice(row.id, holder.id, null, clock.wall())) {
      const { claim, lines } = claimed;
      for (const { rank, offset, length } of lines) {
        // Whoever has lost the input file is not to lose what was answered, too.
        const bytes = await input?.line(offset, length).catch(() => null);
        const line = {
          side: 'err',
          bytes: unansweredLine(newId(), (bytes && requestLine(bytes)?.customId) ?? 'null', NEVER_RAN[end]),
        } as const;
        settler.add({ slice: claim.slice, epoch: claim.epoch, rank, end, usage: null, line, ms: null });
      }
      await settler.flush();
    }
  } finally {
    parts.leaving.removeEventListener('abort', leave);
    await settler.close();
    await input?.close();
  }
}
