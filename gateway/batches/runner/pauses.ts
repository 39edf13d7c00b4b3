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
