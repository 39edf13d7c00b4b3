import { type Clock, sleep } from '../../gateway/core/clock.ts';
import { Lease } from '../../gateway/core/lease.ts';
import type { Failure } from '../failure/failure.ts';
import type { PlannedModel } from '../plan/plan.ts';
import { awaitFreeMemory } from '../engine/free-memory.ts';
import type { CardReader } from '../gpu/gpu.ts';
import type { Setup } from '../ladder/step.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { LentCards } from './lent-cards.ts';
import type { StartTurns } from './start-turns.ts';
import { sleeperShare } from '../plan/swap-rules.ts';

interface StartWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly cards: CardReader;
  readonly policy: Pick<SupervisionPolicy, 'vramPatienceMs'>;
  readonly lent: Pick<LentCards, 'isFree' | 'whenFree'>;
}

/** What of a planned model matters here. */
interface Starter extends Pick<PlannedModel, 'gpuUuids' | 'utilization'> {
  readonly spec: Pick<PlannedModel['spec'], 'id' | 'wanted'>;
}

/** What sleeps on the GPUs of a start can make room for it. */
export interface Room {
  /** Ends all that sleeps there. */
  make(): void;
  /** Something there sleeps no more, and has not ended. */
  isBeingMade(): boolean;
}

interface Start {
  /** What was relaxed, where something was. */
  readonly setup: Setup | null;
  /** It only wakes up. */
  readonly isSleeper: boolean;
  readonly room: Room;
}

/** Memory that has just been given back is free within a second or two. */
const SLEEPERS_PATIENCE_MS = 5000;
const POLL_MS = 100;

/** A worker's permission to start: that its GPUs are not lent, their turn, then their memory. Without a GPU there is nothing to wait for. */
export function clearStart(
  turns: StartTurns,
  worker: Starter,
  { setup, isSleeper, room }: Start,
  { clock, log, cards, policy, lent }: StartWorld,
  done: (failure: Failure | null) => void,
): Lease {
  const asked = setup?.engine['gpu_memory_utilization'];
  const whole = typeof asked === 'number' ? asked : worker.utilization;
  const utilization = isSleeper ? whole - sleeperShare(worker.spec.wanted?.limits.cardGib ?? null) : whole;
  let step: Lease | null = null;
  const lease = new Lease(() => step?.release());
  const isLent = () => !lent.isFree(worker.gpuUuids);
  const isOver = () => lease.released || isLent();
  if (isLent()) stepAside();
  else stepUp();
  return lease;

  function stepUp(): void {
    step = takeTurn(turns, worker, () => void wait());
  }
  /** Nobody is kept from their turn on other cards, and nobody's use of this one is held against the worker. */
  function stepAside(): void {
    step?.release();
    if (!lease.released) step = lent.whenFree(worker.gpuUuids, stepUp);
  }
  async function wait(): Promise<void> {
    for (const uuid of worker.gpuUuids) {
      const free = (patienceMs: number) => awaitFreeMemory(clock, cards, uuid, utilization, patienceMs, isOver);
      const busy = await free(Math.min(SLEEPERS_PATIENCE_MS, policy.vramPatienceMs));
      if (isOver()) return stepAside();
      if (!busy) continue;
      const failure = busy.retry === 'wait' ? await longWait(busy, free) : busy;
      if (isOver()) return stepAside();
      if (!failure) continue;
      // What follows may be another start of the same worker: its turn must not be behind this one.
      lease.release();
      return done(failure);
    }
    done(null);
  }
  async function longWait({ message }: Failure, free: (patienceMs: number) => Promise<Failure | null>): Promise<Failure | null> {
    log.info('worker.waiting', `${worker.spec.id} waits for room. ${message}`, { worker: worker.spec.id });
    // What sleeps is soon loaded again; what others hold may not come back at all.
    room.make();
    // Others are not to be blamed, nor the model to be made smaller, for as long as the card is full of what ends for it.
    while (room.isBeingMade() && !isOver()) await sleep(clock, POLL_MS);
    return free(policy.vramPatienceMs);
  }
}

/** `onTurn` is called once, possibly at once. */
export function takeTurn(turns: StartTurns, { gpuUuids }: Pick<PlannedModel, 'gpuUuids'>, onTurn: () => void): Lease {
  const [first, ...others] = gpuUuids;
  // Workers that spread over several cards may overlap in any of them: those start one by one.
  if (first !== undefined) return turns.take(others.length === 0 ? first : 'several', onTurn);
  onTurn();
  return new Lease(() => {});
}
