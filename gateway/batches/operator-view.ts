import type { BatchRow } from '../state/store/batch-terms.ts';

/** A batch as operators see it. Times are ISO 8601. */
export interface OperatorBatch {
  readonly id: string;
  /** The name of a key; null: whoever comes without one. */
  readonly owner: string | null;
  /** As whoever made it calls it (metadata.name), else its input file; null: neither is known any more. */
  readonly name: string | null;
  /** The one model of all lines; null: several, or not known yet. */
  readonly model: string | null;
  readonly status: string;
  readonly endpoint: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  /** Lines that have not ended, by model. */
  readonly models: Readonly<Record<string, number>>;
  /** Since it began to run; null: none has ended yet, or it does not run. */
  readonly lines_per_second: number | null;
  readonly eta_seconds: number | null;
  /** Why it does not go on at the moment. */
  readonly pause: { readonly reason: string; readonly until: string | null } | null;
}

/** @param filename of its input; null: it is gone @param now wall-clock ms */
export function operatorBatch(row: BatchRow, waiting: ReadonlyMap<string, number>, filename: string | null, now: number): OperatorBatch {
  const { total, completed, failed, pause } = row;
  const ended = completed + failed;
  const runs = row.status === 'in_progress' && row.inProgressAt !== null;
  const rate = runs && ended > 0 && now > row.inProgressAt ? (ended * 1_000) / (now - row.inProgressAt) : null;
  return {
    id: row.id,
    owner: row.owner === '' ? null : row.owner,
    name: row.metadata?.['name'] ?? filename,
    model: row.model,
    status: row.status,
    endpoint: row.endpoint,
    created_at: iso(row.createdAt),
    expires_at: iso(row.expiresAt),
    request_counts: { total, completed, failed },
    models: Object.fromEntries(waiting),
    lines_per_second: rate === null ? null : Math.round(rate * 1_000) / 1_000,
    eta_seconds: rate === null || pause !== null ? null : Math.ceil((total - ended) / rate),
    pause: pause === null ? null : { reason: pause.reason, until: pause.untilMs === null ? null : iso(pause.untilMs) },
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
