import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import type { OperatorBatch } from '../../../gateway/batches/operator-view.ts';
import { whatWaitsFor } from '../../../gateway/batches/waits.ts';
import { columns } from '../../../gateway/core/log/columns.ts';
import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import type { OperatorBatches } from '../../../gateway/http/stored/batches.ts';
import { type BatchContext, failed, note } from './context.ts';
import { duration } from './progress.ts';
import { askAdmin, askApi } from './stored-api.ts';

const LAST = 100;

/** `headgate batch list`: the last batches; with an operator's key and no client's, everybody's. */
export async function list(context: BatchContext, isJson: boolean): Promise<number> {
  const api = await context.api();
  if (api.admin !== null) {
    const told = await askAdmin<OperatorBatches>(api, api.admin, `/admin/batches?limit=${LAST}`);
    if (told.kind === 'told') {
      const { batches, has_more: hasMore } = told.body;
      return write(context, {
        isJson,
        all: batches,
        rows: batches.map((batch) => operatorCells(batch, context.clock.wall())),
        head: OPERATOR_HEAD,
        hasMore,
      });
    }
    // The key is that of another gateway; what is everybody's may be seen without one.
    if (told.status !== 401) return failed(context, told.message);
  }
  const told = await askApi<{ readonly data: readonly BatchObject[]; readonly has_more: boolean }>(api, 'GET', `/v1/batches?limit=${LAST}`);
  if (told.kind === 'failed') return failed(context, told.message);
  const { data, has_more: hasMore } = told.body;
  return write(context, { isJson, all: data, rows: data.map(cells), head: HEAD, hasMore });
}

interface Listing {
  readonly isJson: boolean;
  readonly all: readonly unknown[];
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly hasMore: boolean;
}

function write(context: BatchContext, { isJson, all, head, rows, hasMore }: Listing): number {
  if (isJson) for (const batch of all) context.out.write(`${JSON.stringify(batch)}\n`);
  else if (rows.length === 0) context.out.write('There are no batches. "headgate batch submit FILE" makes one.\n');
  else context.out.write(`${columns([head, ...rows.map((row) => row.map(plainText))]).join('\n')}\n`);
  if (hasMore) note(context, `there are more; these are the last ${LAST}.`);
  return 0;
}

const HEAD = ['BATCH', 'STATUS', 'LINES', 'FAILED', 'MODEL', 'ENDPOINT', 'CREATED', 'NAME'];
const OPERATOR_HEAD = ['BATCH', 'OWNER', 'STATUS', 'LINES', 'FAILED', 'MODEL', 'ENDPOINT', 'CREATED', 'NAME', 'LEFT'];

function cells(batch: BatchObject): string[] {
  const { request_counts: counts, metadata } = batch;
  const at = timeText(batch.created_at);
  return [
    batch.id,
    batch.status,
    linesText(counts),
    String(counts.failed),
    batch.model ?? '-',
    batch.endpoint,
    at,
    metadata?.['name'] ?? '-',
  ];
}

function operatorCells(batch: OperatorBatch, now: number): string[] {
  const { id, owner, status, endpoint, created_at: at, request_counts: counts, eta_seconds: eta, pause } = batch;
  const left = pause !== null ? pauseWords(pause, now).join(': ') : eta === null ? '-' : `about ${duration(eta)}`;
  return [
    ...[id, owner ?? '-', status, linesText(counts), String(counts.failed), batch.model ?? '-', endpoint],
    ...[timeText(Date.parse(at) / 1_000), batch.name ?? '-', left],
  ];
}

/** What a batch does instead of going on, and why. @param now wall-clock ms */
export function pauseWords({ reason, until }: NonNullable<OperatorBatch['pause']>, now: number): readonly [does: string, why: string] {
  const waitsFor = whatWaitsFor(reason);
  if (waitsFor === null) return ['pauses', `${reason}${until === null ? '' : ` (until ${until})`}`];
  const leftMs = until === null ? 0 : Date.parse(until) - now;
  return ['waits', leftMs > 0 ? `${waitsFor} It goes on in ${duration(Math.ceil(leftMs / 1_000))}.` : waitsFor];
}

function linesText({ total, completed, failed: bad }: BatchObject['request_counts']): string {
  return `${completed + bad} of ${total}`;
}

/** `2026-09-01 12:34:56 UTC` @param seconds since the epoch */
export function timeText(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace('T', ' ').replace(/\..*/, ' UTC');
}
