import type { BatchRow } from '../../state/store/batch-terms.ts';
import type { RunnerParts } from './runner-parts.ts';

type PausesParts = Pick<RunnerParts, 'records' | 'standingOf' | 'events'>;

/** Whether its owner may run anything; else the batch says why not. @param wall wall-clock ms @throws StoreFailed */
export async function mayGoOn(
  { records, standingOf, events }: PausesParts,
  { id, owner, pause }: BatchRow,
  wall: number,
): Promise<boolean> {
  const standing = standingOf(owner);
  if (standing.kind === 'none') {
    if (pause?.reason === standing.reason) return false;
    await records.setPause(id, { reason: standing.reason, untilMs: null });
    events.batchPaused(id, standing.reason);
    return false;
  }
  if (pause === null) return true;
  if (pause.untilMs !== null && pause.untilMs > wall) return false;
  await records.setPause(id, null);
  return true;
}

/** Writes down why batches do not go on, and tells each reason once, until a line of that batch has ended. */
export class Pauses {
  readonly #parts: Pick<RunnerParts, 'records' | 'events'>;
  readonly #told = new Map<string, string>();

  constructor(parts: Pick<RunnerParts, 'records' | 'events'>) {
    this.#parts = parts;
  }

  /** @param untilMs wall-clock ms; null: until somebody does something. @throws StoreFailed */
  async set(batch: string, reason: string, untilMs: number | null): Promise<void> {
    await this.#parts.records.setPause(batch, { reason, untilMs });
    if (this.#told.get(batch) !== reason) this.#parts.events.batchPaused(batch, reason);
    this.#told.set(batch, reason);
  }

  wentOn(batch: string): void {
    this.#told.delete(batch);
  }

  /** Batches that are not among these have ended. */
  keep(rows: readonly BatchRow[]): void {
    for (const id of this.#told.keys()) if (!rows.some((row) => row.id === id)) this.#told.delete(id);
  }
}
