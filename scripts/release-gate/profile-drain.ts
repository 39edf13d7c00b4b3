import { setTimeout as delay } from 'node:timers/promises';
import type { Asked } from './asked.ts';
import type { Ground, ProfileResult } from './ground.ts';
import { drainVerdicts } from './judging/others.ts';

const DRAIN_SHARE = 0.3;
const LOOK_MS = 200;
/** For a worker to finish what it has, and to come back: an engine of ours loads its model anew. */
const TURN_MS = 600_000;
/** Before the first worker leaves, and after the last is back. */
const QUIET_MS = 1_000;

/** Each worker is taken out of service and put back, one after another, while clients are answered. */
export async function drain(ground: Ground): Promise<ProfileResult> {
  const { criteria, show, asked, signal, outOfService } = ground.options;
  if (!asked.hasAdmin) return { kind: 'skipped', why: 'it needs the admin key (--admin-key)' };
  const ready = (await asked.workers()).filter(({ state }) => state === 'ready').map(({ id }) => id);
  if (ready.length < 2)
    return { kind: 'skipped', why: `it needs two workers that are ready, and there ${ready.length === 1 ? 'is one' : 'is none'}` };
  const rate = ground.capacity * DRAIN_SHARE;
  const over = new AbortController();
  const running = ground.open([{ from: rate, to: rate, seconds: (ready.length * TURN_MS) / 1000 }], {
    stop: AbortSignal.any([signal, over.signal]),
  });
  let turned = 0;
  let trouble: string | null = null;
  try {
    await delay(QUIET_MS);
    for (const id of ready) {
      if (signal.aborted) break;
      show(`drain: ${id}`);
      if (await takeTurn(id, { asked, signal, outOfService })) turned++;
    }
    await delay(QUIET_MS);
  } catch (error) {
    trouble = (error as Error).message;
  } finally {
    over.abort();
  }
  const run = await running;
  const summary = ground.summary(run);
  return {
    kind: 'ran',
    verdicts: drainVerdicts(run.records, { turned, of: ready.length, trouble }, criteria),
    figures: { turned, trouble },
    parts: [{ name: 'while workers leave and come back', summary }],
    records: run.records,
  };
}

interface Turn {
  readonly asked: Pick<Asked, 'tell' | 'workers'>;
  readonly signal: AbortSignal;
  /** Workers that are away for our sake. */
  readonly outOfService: Set<string>;
  readonly pauseMs?: number;
}

/**
 * One worker leaves and comes back. It is put back whatever happens: after an interruption, and where the answer to the drain was lost, too.
 * @returns whether it did both @throws Error in words where it could not be told
 */
export async function takeTurn(id: string, turn: Turn): Promise<boolean> {
  let isOut = false;
  turn.outOfService.add(id);
  try {
    await turn.asked.tell(id, 'drain');
    isOut = await comesTo(id, 'drained', turn);
  } finally {
    await putBack(id, turn);
    turn.outOfService.delete(id);
  }
  return isOut && (await comesTo(id, 'ready', turn));
}

const TRIES = 5;
const TRY_PAUSE_MS = 1_000;
const OUT: ReadonlySet<string | undefined> = new Set(['draining', 'drained']);

/** @throws Error with what to do, where it is still out of service after all */
async function putBack(id: string, { asked, pauseMs = TRY_PAUSE_MS }: Turn): Promise<void> {
  for (let tries = 1; ; tries++) {
    const refusal = await asked.tell(id, 'undrain').then(
      () => null,
      (error: Error) => error.message,
    );
    if (refusal === null) return;
    // It was never out, or this was not the first time that it was told.
    const state = (await asked.workers()).find((worker) => worker.id === id)?.state;
    if (state !== undefined && !OUT.has(state)) return;
    if (tries === TRIES) throw new Error(`${id} may be out of service still (${refusal}): headgate undrain ${id}`);
    await delay(pauseMs);
  }
}

async function comesTo(id: string, wanted: string, { asked, signal }: Turn): Promise<boolean> {
  for (const until = performance.now() + TURN_MS; performance.now() < until && !signal.aborted; await delay(LOOK_MS))
    if ((await asked.workers()).some((worker) => worker.id === id && worker.state === wanted)) return true;
  return false;
}
