import { backOffMs } from '../../gateway/core/back-off.ts';
import type { Failure } from '../failure/failure.ts';
import type { Setback } from '../ladder/ladder.ts';
import { answer } from '../ladder/ladder.ts';
import type { Effect, History, Judgement, Machine, Moment, Next, Now } from './life.ts';
import { servingSinceMs } from './life.ts';
import type { SupervisionPolicy } from '../system/policy.ts';

/** What a failure makes of a worker, and what follows when its process is gone. */
export interface Failed {
  readonly machine: Machine;
  readonly next: Next;
  readonly effects: readonly Effect[];
}

/** The answer of the ladders to a failure; null where they have none. */
export function stepDown({ policy, wanted, machine }: Now, setback: Setback): Failed | null {
  const { failure } = setback;
  const answered = answer(policy, wanted, machine.footing, setback);
  if (!answered) return null;
  const { footing, change } = answered;
  const history: History = { ...machine.history, busySinceMs: null, sameStart: null, hasServed: false, lastFailure: failure };
  return {
    machine: { ...machine, history, footing },
    next: { kind: 'relax' },
    effects: [
      { type: 'report_failure', failure, next: 'relax' },
      { type: 'save_footing', change, step: footing.steps.at(-1) ?? null, failure },
    ],
  };
}

/** Books a failure and decides what follows: a step down the ladder where there is one, else what the rules of trying again say. */
export function fail(now: Now, failure: Failure, patienceOver = isPatienceOver(now)): Failed {
  const { policy, machine, at } = now;
  const sinceMs = servingSinceMs(machine.life);
  if (failure.class === 'stopped') return again(now, failure, sinceMs === null);
  const relaxed = stepDown(now, { failure, servedMs: sinceMs === null ? null : at.nowMs - sinceMs, patienceOver });
  if (relaxed) return relaxed;
  const { history, judgement } = judge(policy, machine.history, failure, sinceMs, at);
  const effects: Effect[] = [{ type: 'report_failure', failure: history.lastFailure ?? failure, next: judgement.kind }];
  if (failure.retry === 'next_port') effects.push({ type: 'take_next_port' });
  return { machine: { ...machine, history }, next: judgement, effects };
}

/** Somebody has stopped it: it did not fail. `isStart`: whoever stops starts is not to be run after at full speed. */
function again({ policy, machine }: Now, failure: Failure, isStart: boolean): Failed {
  return {
    machine: { ...machine, history: { ...machine.history, lastFailure: failure } },
    next: { kind: 'retry', afterMs: isStart ? (policy.backoffMs[0] ?? 0) : 0 },
    effects: [{ type: 'report_failure', failure, next: 'retry' }],
  };
}

/** Memory that somebody else holds has been waited for as long as a start waits before it asks for less. */
export function isPatienceOver({ policy, machine, at }: Now): boolean {
  const { busySinceMs } = machine.history;
  return busySinceMs !== null && at.nowMs - busySinceMs >= policy.vramPatienceMs;
}

/** Decides on a failure: try again, and when, or give up, and why. `readySinceMs`: null for a worker that failed before it was ready. */
function judge(
  policy: SupervisionPolicy,
  history: History,
  failure: Failure,
  readySinceMs: number | null,
  at: Moment,
): { history: History; judgement: Judgement } {
  const booked = book(policy, history, failure, readySinceMs, at);
  const hopeless = reasonToGiveUp(policy, booked, failure, readySinceMs, at);
  if (hopeless !== null) {
    const final = atTheEnd(policy, failure, hopeless);
    return { history: { ...booked, lastFailure: final }, judgement: { kind: 'give_up', failure: final } };
  }
  const spread = { random: { next: () => at.chance }, share: policy.backoffJitterShare };
  const afterMs = failure.retry === 'next_port' ? 0 : backOffMs(policy.backoffMs, booked.failures - 1, spread);
  return { history: booked, judgement: { kind: 'retry', afterMs } };
}

export const NOTHING_LEFT = 'There is nothing left to relax:';

/** A failure as it is told where it is the end; `why` it is, '' where the failure says it all. */
export function atTheEnd(policy: SupervisionPolicy, failure: Failure, why: string): Failure {
  const later = mayPass(failure) ? `It is tried once more every ${seconds(policy.halfOpenMs)}.` : '';
  const advice = failure.retry === 'relax' ? adviceAtTheEnd(failure) : failure.advice;
  return { ...failure, advice, message: [why, failure.message, later].filter((part) => part !== '').join(' ') };
}

/** What a failure suggests by itself was tried. But a context that the ladder takes for too short to be of use may do for somebody. */
function adviceAtTheEnd({ class: name, advice }: Failure): string {
  const otherwise = 'smaller weights (quantized, such as 4-bit), a smaller model, or a GPU with more memory.';
  return name === 'kv-too-small' ? `${advice} Or use ${otherwise}` : `Use ${otherwise}`;
}

/** Whether waiting may be all it takes: then even a worker that was given up is tried once more now and then. */
export function mayPass({ retry }: Failure): boolean {
  return retry === 'backoff' || retry === 'wait' || retry === 'next_port';
}

function book(policy: SupervisionPolicy, history: History, failure: Failure, readySinceMs: number | null, at: Moment): History {
  const stable = isStable(policy, readySinceMs, at);
  const recent = history.crashesMs.filter((crashMs) => at.nowMs - crashMs < policy.crashLoop.windowMs);
  const again = history.sameStart?.signature === failure.signature ? history.sameStart.count : 0;
  return {
    failures: (stable ? 0 : history.failures) + 1,
    crashesMs: readySinceMs === null ? recent : [...recent, at.nowMs],
    sameStart: readySinceMs === null ? { signature: failure.signature, count: again + 1 } : null,
    busySinceMs: failure.retry === 'wait' ? (history.busySinceMs ?? at.nowMs) : null,
    halfOpen: history.halfOpen && !stable,
    hasServed: history.hasServed || readySinceMs !== null,
    lastFailure: failure,
  };
}

/** null: there is hope. Otherwise the reason, '' where the failure says it all. */
function reasonToGiveUp(
  policy: SupervisionPolicy,
  history: History,
  failure: Failure,
  readySinceMs: number | null,
  at: Moment,
): string | null {
  const stable = isStable(policy, readySinceMs, at);
  switch (failure.retry) {
    case 'never':
      return '';
    case 'relax':
      // With these very settings it has served: what it failed of is rare.
      return stable ? null : NOTHING_LEFT;
    case 'wait': {
      const waitedMs = at.nowMs - (history.busySinceMs ?? at.nowMs);
      return waitedMs >= policy.busyPatienceMs ? `Gave up after ${seconds(waitedMs)} of waiting.` : null;
    }
    case 'next_port':
      return sameStarts(history) >= policy.portAttempts ? `Gave up after ${sameStarts(history)} ports.` : null;
    case 'backoff': {
      if (history.halfOpen) return 'It failed once more.';
      const { exits, windowMs } = policy.crashLoop;
      if (history.crashesMs.length >= exits) return `Gave up: it died ${history.crashesMs.length} times within ${seconds(windowMs)}.`;
      // Settings that have served are not what is wrong, and neither is what somebody kills from outside.
      const enough = history.hasServed || failure.class === 'killed' ? exits : policy.sameStartFailures;
      if (readySinceMs === null && sameStarts(history) >= enough)
        return `Gave up after ${sameStarts(history)} starts that failed in the same way.`;
      return null;
    }
  }
}

function isStable(policy: SupervisionPolicy, readySinceMs: number | null, { nowMs }: Moment): boolean {
  return readySinceMs !== null && nowMs - readySinceMs >= policy.stableAfterMs;
}

function sameStarts(history: History): number {
  return history.sameStart?.count ?? 0;
}

function seconds(ms: number): string {
  return ms >= 120_000 ? `${Math.round(ms / 60_000)} minutes` : `${Math.round(ms / 1000)} seconds`;
}
