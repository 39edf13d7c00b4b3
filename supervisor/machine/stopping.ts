import type { Failure } from '../failure/failure.ts';
import { withCause } from '../failure/explain.ts';
import { unkillable } from '../failure/failure.ts';
import type { Failed } from './judgement.ts';
import { atTheEnd, isPatienceOver, NOTHING_LEFT, stepDown } from './judgement.ts';
import type { Effect, Event, In, Machine, Now, Step } from './life.ts';
import { enter, giveUp, knowing, remain, REST, RESTART, settle, sweep, unchanged } from './moves.ts';

export function stopping(now: Now, life: In<'stopping'>, event: Event): Step {
  const { at } = now;
  switch (event.type) {
    case 'stop':
      return remain(now, { ...life, then: REST });
    case 'restart':
      return remain(now, { ...life, then: RESTART });
    case 'spawned': {
      const process = { pid: event.pid, spawnedAtMs: at.nowMs };
      return remain(now, { ...life, process }, [{ type: 'terminate_leader', pid: event.pid }]);
    }
    case 'spawn_failed':
      return settle(now, life.then);
    case 'exited': {
      if (life.step === 'sweep') return unchanged(now);
      const { machine, next, effects } = heard(now, life, event.failure);
      return sweep({ ...now, machine }, next, life.process, effects);
    }
    case 'swept':
      return event.survivors.length > 0 ? giveUp(now, unkillable(event.survivors)) : settle(now, life.then);
    case 'timer':
      return escalate(now, life);
    default:
      return unchanged(now);
  }
}

/** A failure that was noticed before the process ended gets the words it ended with, and the answer to its cause where they tell it. */
function heard(now: Now, { then, untold }: Pick<In<'stopping'>, 'then' | 'untold'>, exit: Failure): Failed {
  const { machine, policy } = now;
  const last = untold?.failure ?? machine.history.lastFailure;
  if (!last) return { machine, next: then, effects: [] };
  const wish = then.kind !== 'retry' && then.kind !== 'give_up';
  if (wish && !untold) return { machine, next: then, effects: [] };
  const cause = withCause(last, exit);
  const known: Machine = { ...machine, history: { ...machine.history, lastFailure: cause } };
  // It is told once, or once more where its end explains it better.
  const report = (failure: Failure, next: 'retry' | 'give_up' | 'rest'): readonly Effect[] =>
    untold || cause === exit ? [{ type: 'report_failure', failure, next }] : [];
  if (wish) return { machine: known, next: then, effects: report(cause, 'rest') };
  // How long it had served was noted when that was over.
  const { servedMs } = machine.footing;
  const relaxed =
    cause === exit ? stepDown({ ...now, machine: known }, { failure: exit, servedMs, patienceOver: isPatienceOver(now) }) : null;
  if (relaxed) return relaxed;
  const isLast = exit.retry === 'relax' && servedMs < policy.stableAfterMs;
  const hopeless = cause !== exit ? null : isLast ? NOTHING_LEFT : exit.retry === 'never' ? '' : null;
  if (hopeless === null && then.kind !== 'give_up') return { machine: known, next: then, effects: report(cause, 'retry') };
  const failure = hopeless === null ? cause : atTheEnd(policy, cause, hopeless);
  const history = { ...machine.history, lastFailure: failure };
  return { machine: { ...machine, history }, next: { kind: 'give_up', failure }, effects: report(failure, 'give_up') };
}

function escalate(now: Now, life: In<'stopping'>): Step {
  const pid = life.process?.pid;
  const { groupGraceMs } = now.policy;
  if (life.step === 'sweep') return unchanged(now);
  // The spawn that is under way will be answered, one way or the other: nothing can be ended before that.
  if (pid === undefined)
    return remain(now, life, [{ type: 'set_timer', timer: 'escalate', epoch: now.machine.epoch, afterMs: groupGraceMs }]);
  if (life.step === 'kill') return sweep(now, life.then, life.process);
  // It does not end at once, so what was noticed is what there is to tell.
  const { untold } = life;
  const known = untold ? knowing(now, untold.failure) : now;
  const { machine, effects } = enter(known, { ...life, step: life.step === 'leader' ? 'group' : 'kill', untold: null }, (epoch) => [
    life.step === 'leader' ? { type: 'terminate_group', pid } : { type: 'kill_group', pid, overdue: true },
    { type: 'set_timer', timer: 'escalate', epoch, afterMs: groupGraceMs },
  ]);
  return { machine, effects: [...(untold ? [{ type: 'report_failure', ...untold } as const] : []), ...effects] };
}
