import type { Failure } from '../failure/failure.ts';
import type { Setback } from '../ladder/ladder.ts';
import { answer, climb } from '../ladder/ladder.ts';
import type { Wanted } from '../ladder/step.ts';
import type { Effect, History, Leave, Life, Machine, Moment, Next, ProcessRef, Step } from './life.ts';
import { freshHistory } from './life.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import { judge, mayPass } from './judgement.ts';

/** Life in one state. */
export type In<S extends Life['state'], P = unknown> = Extract<Life, { state: S } & P>;

/** What a worker's life is decided by and what does not change in it. */
export interface Rules {
  readonly policy: SupervisionPolicy;
  /** null: it cannot run here at all. */
  readonly wanted: Wanted | null;
}

/** Everything that a step is decided from besides the event. */
export interface Now extends Rules {
  readonly machine: Machine;
  readonly at: Moment;
}

export const REST: Next = { kind: 'rest' };
export const RESTART: Next = { kind: 'restart' };

export function unchanged({ machine }: Now): Step {
  return { machine, effects: [] };
}

/** The same life with other facts. */
export function remain<L extends Life>({ machine }: Now, life: L, effects: readonly Effect[] = []): Step {
  return { machine: { ...machine, life }, effects };
}

/** Into another life: its timers start from nothing, and a start that is over lets the next one begin, be it its own. */
export function enter({ machine }: Now, life: Life, effects: (epoch: number) => readonly Effect[], changes: Partial<Machine> = {}): Step {
  const epoch = machine.epoch + 1;
  const isOver = !isStart(life) || (life.state === 'starting' && life.step === 'clearing');
  const release: Effect[] = isStart(machine.life) && isOver ? [{ type: 'release_clearance' }] : [];
  return {
    machine: { ...machine, ...changes, life, epoch },
    effects: [{ type: 'cancel_timers' }, ...release, ...effects(epoch), { type: 'publish' }],
  };
}

function isStart(life: Life): boolean {
  return life.state === 'starting' || life.state === 'warming';
}

/** A start. One that happens anyway may take back a step of the ladder. */
export function begin(now: Now, history: History = now.machine.history, mayClimb = true): Step {
  const { machine, policy } = now;
  const before = machine.footing;
  const climbed = mayClimb ? climb(policy, before) : { footing: { ...before, servedMs: 0 }, change: null };
  const save: Effect[] = climbed.change
    ? [{ type: 'save_footing', change: climbed.change, step: climbed.footing.climbed ?? before.steps.at(-1) ?? null, failure: null }]
    : [];
  return enter(now, { state: 'starting', step: 'clearing', sleeper: null }, (epoch) => [...save, { type: 'await_clearance', epoch }], {
    incarnation: machine.incarnation + 1,
    history,
    footing: climbed.footing,
  });
}

/** An operator's wish forgets what went wrong before, except for the report of it. */
export function beginAfresh(now: Now): Step {
  return begin(now, { ...freshHistory(), lastFailure: now.machine.history.lastFailure });
}

export function rest(now: Now): Step {
  return enter(now, { state: 'idle' }, () => []);
}

export function drain(now: Now, process: ProcessRef, then: Leave): Step {
  return enter(now, { state: 'draining', step: 'told', process, then }, (epoch) => [
    { type: 'set_timer', timer: 'settle', epoch, afterMs: now.policy.settleMs },
  ]);
}

/**
 * SIGTERM goes to the leader alone: it finishes its requests, then takes its engine down. The group is signalled only when that has
 * taken too long, and SIGKILL never goes to the leader alone: its orphaned engine would keep the GPU's memory.
 */
export function stop(now: Now, process: ProcessRef | null, then: Next, graceMs: number): Step {
  return enter(now, { state: 'stopping', step: 'leader', process, then }, (epoch) => [
    ...(process ? [{ type: 'terminate_leader', pid: process.pid } as const] : []),
    { type: 'set_timer', timer: 'escalate', epoch, afterMs: Math.max(graceMs, now.policy.groupGraceMs) },
  ]);
}

export function sweep(now: Now, then: Next, process: ProcessRef | null, before: readonly Effect[] = []): Step {
  return enter(now, { state: 'stopping', step: 'sweep', process, then }, (epoch) => [...before, { type: 'sweep', epoch }]);
}

/** The process has to go, and the failure decides what comes after. */
export function abandon(now: Now, process: ProcessRef, failure: Failure): Step {
  const failed = fail(now, failure);
  const stopped = stop({ ...now, machine: failed.machine }, process, failed.next, now.policy.abandonGraceMs);
  return { ...stopped, effects: [...failed.effects, ...stopped.effects] };
}

/** The process is gone, and the failure decides what comes after. */
export function bury(now: Now, process: ProcessRef | null, failure: Failure): Step {
  const failed = fail(now, failure);
  return sweep({ ...now, machine: failed.machine }, failed.next, process, failed.effects);
}

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
  const history: History = { ...machine.history, busySinceMs: null, sameStart: null, lastFailure: failure };
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
  const relaxed = stepDown(now, { failure, servedMs: sinceMs === null ? null : at.nowMs - sinceMs, patienceOver });
  if (relaxed) return relaxed;
  const { history, judgement } = judge(policy, machine.history, failure, sinceMs, at);
  const effects: Effect[] = [{ type: 'report_failure', failure: history.lastFailure ?? failure, next: judgement.kind }];
  if (failure.retry === 'next_port') effects.push({ type: 'take_next_port' });
  return { machine: { ...machine, history }, next: judgement, effects };
}

/** Memory that somebody else holds has been waited for as long as anybody waits before less of it is asked for. */
export function isPatienceOver({ policy, machine, at }: Now): boolean {
  const { busySinceMs } = machine.history;
  return busySinceMs !== null && at.nowMs - busySinceMs >= policy.vramPatienceMs;
}

/** With the report of a failure that does not count toward giving up. */
export function knowing(now: Now, lastFailure: Failure): Now {
  return { ...now, machine: { ...now.machine, history: { ...now.machine.history, lastFailure } } };
}

/** Since when a worker has served; null when it does not. */
export function servingSinceMs(life: Life): number | null {
  return 'sinceMs' in life ? life.sinceMs : null;
}

export function giveUp(now: Now, failure: Failure): Step {
  return enter(now, { state: 'failed', failure }, () => [{ type: 'report_failure', failure, next: 'give_up' }], {
    history: { ...now.machine.history, lastFailure: failure },
  });
}

/** Nothing is left of the process. */
export function settle(now: Now, then: Next, before: readonly Effect[] = []): Step {
  const after = next(now, then);
  return { ...after, effects: [...before, ...after.effects] };
}

function next(now: Now, then: Next): Step {
  const { machine, policy, at } = now;
  switch (then.kind) {
    case 'rest':
      return rest(now);
    case 'restart':
      return beginAfresh(now);
    case 'again':
      return begin(now, { ...machine.history, halfOpen: true });
    case 'relax':
      return begin(now, machine.history, false);
    case 'give_up': {
      const chance: Effect = { type: 'set_timer', timer: 'half_open', epoch: machine.epoch + 1, afterMs: policy.halfOpenMs };
      return enter(now, { state: 'failed', failure: then.failure }, () => (mayPass(then.failure) ? [chance] : []));
    }
    case 'retry':
      return enter(now, { state: 'backoff', untilMs: at.nowMs + then.afterMs }, (epoch) => [
        { type: 'set_timer', timer: 'backoff', epoch, afterMs: then.afterMs },
      ]);
  }
}
