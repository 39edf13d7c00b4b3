import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { hasEnded } from '../../../gateway/batches/life.ts';
import { CLEAR_LINE } from '../../report/terminal.ts';
import { type BatchContext, failed, note } from './context.ts';
import { Progress } from './progress.ts';
import { askApi, type NotTold, type StoredApi } from './stored-api.ts';

const LOOK_MS = 1_000;
/** Without a terminal a line is written this often, where there is something new. */
const LINE_MS = 30_000;

/**
 * Looks at a batch until it has ended, also while the gateway is away for a time. Shows how far it is: on a line of a terminal that is
 * written over, otherwise a line now and then. `silently`: shows nothing.
 */
export async function untilEnded(
  context: BatchContext,
  api: StoredApi,
  id: string,
  how: 'shown' | 'silently',
): Promise<BatchObject | NotTold> {
  const { clock, pause, err, isLive, columns } = context;
  const progress = new Progress();
  let [shown, status, shownAt, isAway] = ['', '', 0, false];
  const show = (text: string, changed: boolean): void => {
    if (how === 'silently' || text === shown) return;
    if (isLive) err.write(CLEAR_LINE + text.slice(0, Math.max(1, columns() - 1)));
    else if (changed || clock.now() - shownAt >= LINE_MS) err.write(`${text}\n`);
    else return;
    [shown, shownAt] = [text, clock.now()];
  };
  const done = (): void => void (isLive && shown !== '' && err.write('\n'));
  for (;;) {
    const told = await askApi<BatchObject>(api, 'GET', `/v1/batches/${encodeURIComponent(id)}`);
    if (told.kind === 'told') {
      isAway = false;
      const batch = told.body;
      progress.see(batch, clock.now());
      show(progress.text(batch), batch.status !== status);
      ({ status } = batch);
      if (hasEnded(batch.status)) {
        done();
        return batch;
      }
    } else if (!told.isAway) {
      done();
      return told;
    } else if (!isAway) {
      isAway = true;
      done();
      shown = '';
      note(context, `${told.message} Waiting for it.`);
    }
    await pause(LOOK_MS);
  }
}

/** Watches a batch, and says how it ended and where its results are. @returns 0: it is completed; 1 */
export async function watch(context: BatchContext, api: StoredApi, id: string): Promise<number> {
  const batch = await untilEnded(context, api, id, 'shown');
  if ('kind' in batch) return failed(context, batch.message);
  for (const { line, message } of batch.errors?.data.slice(0, 10) ?? [])
    note(context, line === null ? message : `line ${line}: ${message}`);
  const more = (batch.errors?.data.length ?? 0) - 10;
  if (more > 0) note(context, `and ${more} more: headgate batch show ${id}`);
  if (batch.output_file_id !== null) note(context, `results: headgate batch results ${id}  (${batch.output_file_id})`);
  if (batch.error_file_id !== null) note(context, `lines that failed: headgate batch results ${id} --errors  (${batch.error_file_id})`);
  if (batch.status !== 'completed') note(context, `${id} ${batch.status === 'failed' ? 'has failed' : `was ${batch.status}`}.`);
  return batch.status === 'completed' ? 0 : 1;
}
