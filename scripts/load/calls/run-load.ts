import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { Caller } from './caller.ts';
import type { CallRecord } from './call-record.ts';
import type { Target } from './target.ts';
import type { PromptSource } from '../workload/prompts.ts';
import { leavesAfter } from '../workload/leaving.ts';

/** When calls are sent: at their moments whatever the server does (open), or by so many clients that each wait for their answer (closed). */
export type Pace =
  | { readonly kind: 'open'; readonly at: Float64Array; readonly mostAtOnce: number }
  | { readonly kind: 'closed'; readonly clients: number; readonly calls: number; readonly forMs: number };

export interface LoadPlan {
  readonly target: Target;
  readonly pace: Pace;
  readonly prompts: PromptSource;
  readonly seed: number;
  /** The share of streams whose client hangs up in the middle, from 0 to 1. */
  readonly cancelShare: number;
  /** The number of the first call: runs that follow one another do not repeat prompts. */
  readonly firstIndex?: number;
}

export interface LoadWatcher {
  /** After each call, with those that are under way. */
  readonly onEnd?: (record: CallRecord, underWay: number) => void;
  /** Ends the run: nothing more is sent, what is under way is given up. */
  readonly signal?: AbortSignal;
}

export interface LoadRun {
  /** In the order in which they ended. */
  readonly records: readonly CallRecord[];
  /** From the first moment of the schedule to the last end, in milliseconds. */
  readonly durationMs: number;
  /** Wall-clock milliseconds of that first moment. */
  readonly startedAt: number;
  readonly mostAtOnce: number;
  readonly wasInterrupted: boolean;
}

/** A timer is no finer than this; the rest is waited for turn by turn. Milliseconds. */
const NEAR_MS = 0.5;
/** After so many that were due at once, answers are looked at: they would count as late for our own fault. */
const AT_ONCE = 32;

/** Runs the plan to its end. Never throws for what the server does: that is what the records are for. */
export async function runLoad(plan: LoadPlan, { onEnd, signal }: LoadWatcher = {}): Promise<LoadRun> {
  const startedAt = Date.now();
  const start = performance.now();
  const now = (): number => performance.now() - start;
  const caller = new Caller(plan.target, now);
  const records: CallRecord[] = [];
  let mostAtOnce = 0;
  const send = async (number: number, scheduledMs: number, heldMs = 0): Promise<void> => {
    const index = (plan.firstIndex ?? 0) + number;
    const prompt = plan.prompts(index);
    const cancelAfter = plan.target.stream ? leavesAfter(plan, index, prompt.outputTokens) : null;
    const ended = caller.send({ index, scheduledMs, heldMs, prompt, cancelAfter });
    mostAtOnce = Math.max(mostAtOnce, caller.underWay);
    const record = await ended;
    records.push(record);
    onEnd?.(record, caller.underWay);
  };
  const giveUp = (): void => caller.giveUp();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await (plan.pace.kind === 'open' ? openLoop(plan.pace, send, now, signal) : closedLoop(plan.pace, send, now, signal));
    return { records, durationMs: now(), startedAt, mostAtOnce, wasInterrupted: signal?.aborted === true };
  } finally {
    signal?.removeEventListener('abort', giveUp);
    await caller.close();
  }
}

type Send = (number: number, scheduledMs: number, heldMs?: number) => Promise<void>;

/** Nothing that the server does moves a call's moment; one that comes late all the same counts from the moment at which it was due. */
async function openLoop(
  { at, mostAtOnce }: Extract<Pace, { kind: 'open' }>,
  send: Send,
  now: () => number,
  signal?: AbortSignal,
): Promise<void> {
  const under = new Set<Promise<void>>();
  let onFree = (): void => {};
  let [freeMs, heldUntilMs] = [-Infinity, -Infinity];
  for (let i = 0; i < at.length && isOn(signal); i++) {
    const due = at[i]!;
    if (now() < due) await until(due, now, signal);
    else if (i % AT_ONCE === 0) await turn();
    // A race of all that are under way would look at each of them for each that ends.
    while (under.size >= mostAtOnce && isOn(signal)) {
      await new Promise<void>((resolve) => void (onFree = resolve));
      heldUntilMs = freeMs;
    }
    if (!isOn(signal)) break;
    const sent = send(i, due, Math.max(0, heldUntilMs - due)).finally(() => {
      freeMs = now();
      under.delete(sent);
      onFree();
    });
    under.add(sent);
  }
  await Promise.all(under);
}

async function closedLoop(
  { clients, calls, forMs }: Extract<Pace, { kind: 'closed' }>,
  send: Send,
  now: () => number,
  signal?: AbortSignal,
): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < calls && now() < forMs && isOn(signal)) await send(next++, now());
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** Until this moment or an abort. A timer may fire before its time, and a call that is sent too early would look faster than it was. */
async function until(due: number, now: () => number, signal?: AbortSignal): Promise<void> {
  for (let early = due - now(); early > 0 && isOn(signal); early = due - now()) await (early > NEAR_MS ? pause(early, signal) : turn());
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  // Aborted: the loop looks for itself.
  await delay(ms, undefined, signal ? { signal } : {}).catch(() => {});
}

/** Asked anew each time: what is aborted comes to be so meanwhile. */
function isOn(signal?: AbortSignal): boolean {
  return signal?.aborted !== true;
}
