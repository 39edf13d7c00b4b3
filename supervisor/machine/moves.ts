import type { Failure } from '../failure/failure.ts';
import { stoppedFromOutside } from '../failure/failure.ts';
import { climb } from '../ladder/ladder.ts';
import type { Effect, History, Leave, Life, Machine, Next, Now, ProcessRef, Step, Untold } from './life.ts';
import { freshHistory } from './life.ts';
import { fail, mayPass } from './judgement.ts';

export const REST: Next = { kind: 'rest' };
export const RESTART: Next = { kind: 'restart' };

export function unchanged({ machine }: Now): Step {
  return { machine, effects: [] };
}

/** The same life with other facts. */
export function remain<L extends Life>({ machine }: Now, life: L, effects: readonly Effect[] = []): Step {
  return { machine: { ...machine, life }, effects };
}

/** Into another life: timers start from nothing, and a start that is over gives its turn away, be it to the same worker's next start. */
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
    // Whether it can serve without what was relaxed is open again.
    history: climbed.change ? { ...history, hasServed: false } : history,
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

/** `afterMs`: until it is told itself. */
export function drain(now: Now, process: ProcessRef, then: Leave, afterMs = now.policy.settleMs): Step {
  return enter(now, { state: 'draining', step: 'told', process, then }, (epoch) => [
    { type: 'set_timer', timer: 'settle', epoch, afterMs },
  ]);
}

/** Somebody else has told it to stop: it gets no more, finishes what it has, and is started again, which is no mark against it. */
export function heed(now: Now, process: ProcessRef): Step {
  const failure = stoppedFromOutside('serving');
  const drained = drain(knowing(now, failure), process, { kind: 'retry', afterMs: 0 }, now.policy.stopGraceMs);
  return { ...drained, effects: [{ type: 'report_failure', failure, next: 'retry' }, ...drained.effects] };
}

/**
 * SIGTERM goes to the leader alone: it finishes its requests, then takes its engine down. The group is signalled only when that has
 * taken too long, and SIGKILL never goes to the leader alone: its orphaned engine would keep the GPU's memory.
 */
export function stop(now: Now, process: ProcessRef | null, then: Next, graceMs: number, untold: Untold | null = null): Step {
  return enter(now, { state: 'stopping', step: 'leader', process, then, untold }, (epoch) => [
    ...(process ? [{ type: 'terminate_leader', pid: process.pid } as const] : []),
    { type: 'set_timer', timer: 'escalate', epoch, afterMs: Math.max(graceMs, now.policy.groupGraceMs) },
  ]);
}

export function sweep(now: Now, then: Next, process: ProcessRef | null, before: readonly Effect[] = []): Step {
  return enter(now, { state: 'stopping', step: 'sweep', process, then, untold: null }, (epoch) => [...before, { type: 'sweep', epoch }]);
}

/** The process has to go, and the failure decides what comes after. */
export function abandon(now: Now, process: ProcessRef, failure: Failure): Step {
  const failed = fail(now, failure);
  const stopped = stop({ ...now, machine: failed.machine }, process, failed.next, now.policy.abandonGraceMs);
  return { ...stopped, effects: [...failed.effects, ...stopped.effects] };
}

/** The same for one that hangs: it hears no signal, or would spend long on ending what it will never end. */
export function putDown(now: Now, process: ProcessRef, failure: Failure): Step {
  const { machine, next, effects } = fail(now, failure);
  const life: Life = { state: 'stopping', step: 'kill', process, then: next, untold: null };
  const killed = enter({ ...now, machine }, life, (epoch) => [
    { type: 'kill_group', pid: process.pid, overdue: false },
    { type: 'set_timer', timer: 'escalate', epoch, afterMs: now.policy.groupGraceMs },
  ]);
  return { ...killed, effects: [...effects, ...killed.effects] };
}

/**
 * The same for one that is likely to be ending already: what was noticed is only that, and how it ends tells why. Nobody is told before,
 * or a death would be told twice, and first by its least part.
 */
export function suspect(now: Now, process: ProcessRef, failure: Failure): Step {
  const { machine, next, effects } = fail(now, failure);
  const report = effects.find((effect) => effect.type === 'report_failure');
  if (!report || (report.next !== 'retry' && report.next !== 'give_up')) return abandon(now, process, failure);
  const history = { ...machine.history, lastFailure: now.machine.history.lastFailure };
  const untold = { failure: report.failure, next: report.next };
  const stopped = stop({ ...now, machine: { ...machine, history } }, process, next, now.policy.abandonGraceMs, untold);
  return { ...stopped, effects: [...effects.filter((effect) => effect !== report), ...stopped.effects] };
}

/** The process is gone, and the failure decides what comes after. */
export function bury(now: Now, process: ProcessRef | null, failure: Failure): Step {
  const failed = fail(now, failure);
  return sweep({ ...now, machine: failed.machine }, failed.next, process, failed.effects);
}

/** With the report of a failure that does not count toward giving up. */
export function knowing(now: Now, lastFailure: Failure): Now {
  return { ...now, machine: { ...now.machine, history: { ...now.machine.history, lastFailure } } };
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
