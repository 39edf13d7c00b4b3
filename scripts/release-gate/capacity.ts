import type { LoadRun } from '../load/calls/run-load.ts';
import type { Ground } from './ground.ts';

const FIRST_CLIENTS = 4;
const MOST_CLIENTS = 512;
/** Twice as many clients that get no more than this have reached the end of what there is. */
const WORTH = 1.1;
const LEVEL_SECONDS = 10;

export interface Capacity {
  /** Calls a second that were answered whole. */
  readonly rate: number;
  /** Clients that it took. */
  readonly clients: number;
  readonly levels: readonly { readonly clients: number; readonly rate: number }[];
}

/** Twice as many clients again and again, each waiting for its answer, until that brings no more. @throws Error when nothing is answered */
export async function measureCapacity(ground: Ground): Promise<Capacity> {
  const { show, signal } = ground.options;
  const levels: { clients: number; rate: number }[] = [];
  let best = { clients: 0, rate: 0 };
  for (let clients = FIRST_CLIENTS; clients <= MOST_CLIENTS && !signal.aborted; clients *= 2) {
    show(`capacity: ${clients} clients`);
    const seconds = ground.seconds(LEVEL_SECONDS);
    const rate = answeredRate(await ground.closed(clients, seconds), seconds * 1000);
    levels.push({ clients, rate });
    const isWorth = rate > best.rate * WORTH;
    if (rate > best.rate) best = { clients, rate };
    if (!isWorth) break;
  }
  if (best.rate === 0 && !signal.aborted) throw new Error('Not one call was answered while capacity was measured; nothing can be judged.');
  return { ...best, levels };
}

/**
 * Calls a second that were answered whole while all clients were at work: from the first end on, and without those of the end, when some
 * have nothing more to send. `forMs`: how long they sent.
 */
export function answeredRate({ records }: Pick<LoadRun, 'records'>, forMs: number): number {
  const ends = records
    .filter(({ outcome }) => outcome === 'ok')
    .map(({ endMs }) => endMs)
    .toSorted((a, b) => a - b);
  const within = ends.filter((end) => end <= forMs);
  const first = within[0];
  // Answers longer than the level: as many as there were, over the whole time.
  if (first === undefined || within.length < 3) return ends.length === 0 ? 0 : (ends.length / ends.at(-1)!) * 1000;
  return ((within.length - 1) / (within.at(-1)! - first)) * 1000;
}
