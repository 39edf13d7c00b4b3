import { setTimeout as delay } from 'node:timers/promises';
import type { CallRecord } from '../../load/calls/call-record.ts';
import { type LoadRun, type LoadWatcher, type Pace, runLoad } from '../../load/calls/run-load.ts';
import type { Target } from '../../load/calls/target.ts';
import type { PromptSource } from '../../load/workload/prompts.ts';
import type { PlannedSlot } from '../design/blocks.ts';
import { CALLS_OF_A_SLOT } from '../design/prompts.ts';
import type { Slot } from '../figures/slot.ts';

export interface SlotPlan {
  readonly slots: readonly PlannedSlot[];
  /** Of each arm. */
  readonly targets: readonly Target[];
  /** Of each block, over its settling and what is counted. */
  readonly paceOf: (block: number) => Pace;
  readonly prompts: PromptSource;
  readonly settleMs: number;
  /** Settling included. */
  readonly lengthMs: number;
  readonly seed: number;
  readonly cancelShare: number;
}

export interface SlotWatcher extends Pick<LoadWatcher, 'onEnd'> {
  /** Before each slot: puts its arm in force. @throws Error in words, which ends the test */
  readonly lay: (arm: number) => Promise<void>;
  /** At the end of each slot: the width of the batch window. */
  readonly look: (arm: number) => Promise<number | null>;
  readonly onSlot?: (slot: PlannedSlot) => void;
  readonly signal: AbortSignal;
}

export interface SlotRun {
  readonly slots: readonly Slot[];
  /** What ended it before its time; null for an interruption, and for its end. */
  readonly stopped: string | null;
}

/**
 * Runs the slots one after another under one load that does not pause: calls that a slot leaves on their way go on beside the settling of the
 * next, and count for the arm that was in force when they were due. Never throws for what the server does.
 */
export async function runSlots(plan: SlotPlan, watcher: SlotWatcher): Promise<SlotRun> {
  const start = performance.now();
  const givingUp = new AbortController();
  const signal = AbortSignal.any([watcher.signal, givingUp.signal]);
  const ended: Promise<Slot | null>[] = [];
  let stopped: string | null = null;
  for (const planned of plan.slots) {
    if (signal.aborted) break;
    try {
      await watcher.lay(planned.arm);
    } catch (error) {
      stopped = (error as Error).message;
      break;
    }
    if (signal.aborted) break;
    watcher.onSlot?.(planned);
    const startMs = performance.now() - start;
    const silence = new Silence();
    const onEnd = (record: CallRecord, underWay: number): void => {
      silence.note(record);
      watcher.onEnd?.(record, underWay);
    };
    const load = runLoad(loadOf(plan, planned), { signal, onEnd });
    await delay(plan.lengthMs, undefined, { signal }).catch(() => {});
    const isWhole = !signal.aborted;
    const windowMs = isWhole ? await watcher.look(planned.arm) : null;
    ended.push(load.then((run) => (isWhole && isKnown(run) ? slotOf(planned, startMs, plan, run, windowMs) : null)));
    if (signal.aborted) break;
    const code = silence.code();
    if (code !== null) {
      stopped = `${plan.targets[planned.arm]!.base} does not answer any more (${code})`;
      break;
    }
  }
  // What is still on its way to a server that is gone is not waited for, and the slot in which it went tells nothing of its arm.
  if (stopped !== null) {
    givingUp.abort();
    const last = ended.pop();
    await last;
  }
  const slots = (await Promise.all(ended)).filter((slot) => slot !== null);
  return { slots, stopped };
}

/** Whether nobody has answered at all. */
class Silence {
  #isBroken = false;
  #code: string | null = null;

  note({ outcome, status, code }: CallRecord): void {
    if (status !== 0) this.#isBroken = true;
    else if (outcome === 'failed') this.#code = code;
  }

  /** The system's word for it; null where somebody answered, or nothing was asked. */
  code(): string | null {
    return this.#isBroken ? null : this.#code;
  }
}

/** No call of it was given up. */
function isKnown({ wasInterrupted, records }: LoadRun): boolean {
  return !wasInterrupted || records.every(({ outcome }) => outcome !== 'unfinished');
}

function loadOf(
  { targets, paceOf, prompts, seed, cancelShare }: SlotPlan,
  { number, block, arm }: PlannedSlot,
): Parameters<typeof runLoad>[0] {
  return { target: targets[arm]!, pace: paceOf(block), prompts, seed, cancelShare, firstIndex: number * CALLS_OF_A_SLOT };
}

function slotOf({ number, block, arm }: PlannedSlot, startMs: number, plan: SlotPlan, run: LoadRun, windowMs: number | null): Slot {
  return { ...{ number, block, arm, startMs, windowMs }, settleMs: plan.settleMs, endMs: plan.lengthMs, records: run.records };
}
