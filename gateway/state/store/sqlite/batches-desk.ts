import type { BatchRecords } from '../ports.ts';
import type { Answers } from './answers.ts';
import { BatchRows } from './batch-rows.ts';
import { Claims } from './claims.ts';
import { EndingsDesk } from './endings-desk.ts';
import { LineLots } from './line-lots.ts';
import { SettleDesk } from './settle-desk.ts';
import { SlicesDesk } from './slices-desk.ts';
import type { Sql } from './sql.ts';

/** What is asked of the file about batches. */
export type BatchQuestions = Omit<BatchRecords, 'onWork'>;

export interface BatchesDesk extends Answers<BatchQuestions> {
  /** Takes away a little of what nobody needs any more. @returns whether there is more */
  sweep(): boolean;
}

/** What is known of batches. @param uptime ms since the machine was started */
export function batchesDesk(sql: Sql, uptime: () => number): BatchesDesk {
  const claims = new Claims(sql, uptime);
  const rows = new BatchRows(sql);
  const lots = new LineLots(sql, claims, rows);
  const slices = new SlicesDesk(sql, claims);
  const settling = new SettleDesk(sql, rows);
  const endings = new EndingsDesk(sql, rows);
  return {
    addBatch: (batch) => rows.addBatch(batch),
    batchOf: (id, owner) => rows.batchOf(id, owner),
    listBatches: (owner, page) => rows.listBatches(owner, page),
    openBatches: () => rows.openBatches(),
    cancelBatch: (id, owner, now) => rows.cancelBatch(id, owner, now),
    setPause: (batch, pause) => rows.setPause(batch, pause),
    holdOn: (holder) => claims.holdOn(holder),
    letGo: (holder) => claims.letGo(holder),
    claimBatch: (id, holder) => lots.claimBatch(id, holder),
    beginLines: (batch, epoch) => lots.beginLines(batch, epoch),
    addLines: (batch, epoch, lines) => lots.addLines(batch, epoch, lines),
    endValidation: (batch, epoch, found, now) => lots.endValidation(batch, epoch, found, now),
    sweep: () => lots.sweep(),
    claimSlice: (batch, holder, models) => slices.claimSlice(batch, holder, models),
    releaseSlice: (claim, holder) => slices.releaseSlice(claim, holder),
    waitingLines: (batch) => slices.waitingLines(batch),
    settle: (said) => settling.settle(said),
    journalsOf: (batch) => endings.journalsOf(batch),
    beginFinalizing: (batch, epoch, now) => endings.beginFinalizing(batch, epoch, now),
    finish: (batch, epoch, end, now) => endings.finish(batch, epoch, end, now),
  };
}
