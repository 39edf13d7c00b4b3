import type { Clock } from '../../../core/clock.ts';
import type { FileBytes } from '../file-bytes.ts';
import type { BatchRecords, FileRecords, UsageRecords } from '../ports.ts';
import { BatchRows } from './batch-rows.ts';
import { PostgresBytes } from './bytes/postgres-bytes.ts';
import { Claims } from './claims.ts';
import { Endings } from './endings.ts';
import { LineLots } from './line-lots.ts';
import { PostgresLink } from './link.ts';
import { placeOf } from './place.ts';
import { PostgresFiles } from './postgres-files.ts';
import { PostgresUsage } from './usage/postgres-usage.ts';
import { settleIn } from './settle.ts';
import { Slices } from './slices.ts';

/** What is taken away after one sign of life, at the most: 5,000 rows each. */
const MOST_SWEEPS = 20;

export interface PostgresPorts {
  readonly files: FileRecords;
  readonly batches: BatchRecords;
  readonly bytes: FileBytes;
  readonly usage: UsageRecords;
  close(): Promise<void>;
}

/** All that is kept, as a server knows it, which several machines may share. It is not asked before somebody asks. */
export function postgresPorts(url: string, clock: Clock): PostgresPorts {
  const link = new PostgresLink(url, clock);
  const claims = new Claims(link);
  const rows = new BatchRows(link);
  const lots = new LineLots(link, claims);
  const slices = new Slices(link, claims);
  const endings = new Endings(link);
  let isSweeping = false;
  const sweep = async (): Promise<void> => {
    if (isSweeping) return;
    isSweeping = true;
    try {
      for (let i = 0; i < MOST_SWEEPS && (await lots.sweep()); i++);
    } catch {
      // There is time.
    }
    isSweeping = false;
  };
  return {
    files: new PostgresFiles(link),
    bytes: new PostgresBytes(link, clock),
    batches: {
      addBatch: (batch) => rows.addBatch(batch),
      batchOf: (id, owner) => rows.batchOf(id, owner),
      listBatches: (owner, page) => rows.listBatches(owner, page),
      openBatches: () => rows.openBatches(),
      cancelBatch: (id, owner, now) => rows.cancelBatch(id, owner, now),
      setPause: (batch, pause) => rows.setPause(batch, pause),
      async holdOn(holder) {
        await claims.holdOn(holder);
        void sweep();
      },
      letGo: (holder) => claims.letGo(holder),
      claimBatch: (id, holder) => lots.claimBatch(id, holder),
      beginLines: (batch, epoch) => lots.beginLines(batch, epoch),
      addLines: (batch, epoch, lines) => lots.addLines(batch, epoch, lines),
      endValidation: (batch, epoch, found, now) => lots.endValidation(batch, epoch, found, now),
      claimSlice: (batch, holder, models) => slices.claimSlice(batch, holder, models),
      releaseSlice: (claim, holder) => slices.releaseSlice(claim, holder),
      waitingLines: (batch) => slices.waitingLines(batch),
      settle: (settling) => settleIn(link, settling),
      journalsOf: (batch) => endings.journalsOf(batch),
      beginFinalizing: (batch, epoch, now) => endings.beginFinalizing(batch, epoch, now),
      finish: (batch, epoch, end, now) => endings.finish(batch, epoch, end, now),
      onWork: (listener) => link.onWork(listener),
    },
    usage: new PostgresUsage(link, placeOf(url), clock),
    close: () => link.close(),
  };
}
