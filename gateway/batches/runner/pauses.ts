import type { BatchRow } from '../../state/store/batch-terms.ts';
import { isWait, waitReason } from '../waits.ts';
import type { BatchWork } from './batch-work.ts';
import type { OwnerRests } from './owner-rests.ts';
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
  // Another process may have room for it.
  if (isWait(pause) && pause.untilMs !== null && pause.untilMs > wall) return true;
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

/** A shorter wait nobody has to be told of. */
const LONG_MS = 5_000;

/**
 * Batches of which nothing runs here say that they wait for a limit of their owner, and until when; those that go on say it no more. Once for
 * each time that he has to wait: where another process has room, it takes that back. @throws StoreFailed
 */
export async function tellWaits(
  { clock, records }: Pick<RunnerParts, 'clock' | 'records'>,
  works: Iterable<BatchWork>,
  rows: readonly BatchRow[],
  rests: Pick<OwnerRests, 'of'>,
): Promise<void> {
  const pauses = new Map(rows.map(({ id, pause }) => [id, pause]));
  for (const { row, owner, running, settler, stopped } of works) {
    const pause = pauses.get(row.id) ?? null;
    if (stopped !== null || (pause !== null && !isWait(pause))) continue;
    const rest = rests.of(owner);
    if (running.size > 0) {
      if (pause !== null && [...running].some((run) => run.hasPlace)) await records.setPause(row.id, null);
    } else if (rest !== null && settler.isIdle && !rest.told.has(row.id) && rest.saidMs - clock.now() >= LONG_MS) {
      rest.told.add(row.id);
      const untilMs = clock.wall() + rest.saidMs - clock.now();
      if (pause === null || pause.untilMs === null || pause.untilMs > untilMs) {
        await records.setPause(row.id, { reason: waitReason(rest.why), untilMs });
      }
    }
  }
}
