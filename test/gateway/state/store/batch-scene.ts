import type { Claim, LineRow, NewBatch, SettledLine, TokensUsed } from '../../../../gateway/state/store/batch-terms.ts';
import type { FileRow } from '../../../../gateway/state/store/file-terms.ts';
import type { Ports } from './drivers.ts';

export const NOW = Date.UTC(2026, 10, 29, 12);
export const NOTHING_USED: TokensUsed = { input: 0, cached: 0, output: 0, reasoning: 0 };

let made = 0;

/** One that no other test has. */
export function fresh(kind: string): string {
  return `${kind}-${++made}`;
}

export function fileRow(more: Partial<FileRow> = {}): FileRow {
  return {
    ...{ id: fresh('file'), owner: 'app', bytes: 100, createdAt: NOW, filename: 'in.jsonl', purpose: 'batch', expiresAt: null },
    ...more,
  };
}

export function newBatch(more: Partial<NewBatch> = {}): NewBatch {
  return {
    ...{ id: fresh('batch'), owner: 'app', endpoint: '/v1/chat/completions', inputFile: fresh('file'), completionWindow: '24h' },
    ...{ metadata: null, outputExpiresAfterS: null, createdAt: NOW, expiresAt: NOW + 86_400_000 },
    ...more,
  };
}

export function lineRows(count: number, modelOf: (rank: number) => string = () => 'm'): LineRow[] {
  return Array.from({ length: count }, (_, rank) => ({ rank, number: count - rank, offset: rank * 80, length: 79, model: modelOf(rank) }));
}

export async function holderAt({ batches }: Ports): Promise<string> {
  const id = fresh('life');
  await batches.holdOn({ id, process: null }, NOW);
  return id;
}

/** A batch whose lines may run. */
export async function validBatch(ports: Ports, lines: readonly LineRow[], more: Partial<NewBatch> = {}): Promise<string> {
  const { batches } = ports;
  const batch = newBatch(more);
  await batches.addBatch(batch);
  const holder = await holderAt(ports);
  const epoch = (await batches.claimBatch(batch.id, holder, NOW))!;
  await batches.beginLines(batch.id, epoch);
  for (let at = 0; at < lines.length; at += 1_000) await batches.addLines(batch.id, epoch, lines.slice(at, at + 1_000));
  await batches.endValidation(batch.id, epoch, { total: lines.length, model: null, errors: null }, NOW);
  return batch.id;
}

export function ended({ slice, epoch }: Claim, rank: number, end: SettledLine['end'] = 'completed', usage = NOTHING_USED): SettledLine {
  return { slice, epoch, rank, end, usage };
}
