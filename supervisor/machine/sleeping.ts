import { sleepFailed } from '../failure/failure.ts';
import type { Event, In, Now, ProcessRef, Step } from './life.ts';
import { enter, knowing, remain, REST, RESTART, stop, sweep, unchanged } from './moves.ts';

/** Its last requests first: vLLM aborts what it has in hand when it is told to sleep. */
export function empty(now: Now, process: ProcessRef): Step {
  return enter(now, { state: 'draining', step: 'emptying', process }, (epoch) => [
    { type: 'probe', epoch, depth: 'pulse' },
    { type: 'set_timer', timer: 'deadline', epoch, afterMs: now.policy.stopGraceMs },
  ]);
}

export function emptying(now: Now, life: In<'draining', { step: 'emptying' }>, event: Event): Step {
  const { epoch } = now.machine;
  const lookAgain = () => remain(now, life, [{ type: 'set_timer', timer: 'probe', epoch, afterMs: now.policy.probeIntervalMs }]);
  switch (event.type) {
    case 'probe_ok':
      return event.beat && event.beat.running + event.beat.waiting > 0 ? lookAgain() : doze(now, life.process);
    case 'probe_failed':
      return lookAgain();
    case 'timer':
      return event.timer === 'deadline' ? doze(now, life.process) : remain(now, life, [{ type: 'probe', epoch, depth: 'pulse' }]);
    default:
      return goingToSleep(now, life.process, event, now.policy.stopGraceMs);
  }
}

function doze(now: Now, process: ProcessRef): Step {
  return enter(now, { state: 'draining', step: 'dozing', process }, (epoch) => [{ type: 'sleep', epoch }]);
}

export function dozing(now: Now, life: In<'draining', { step: 'dozing' }>, event: Event): Step {
  switch (event.type) {
    case 'slept':
      return enter(now, { state: 'asleep', process: life.process }, () => []);
    case 'sleep_failed': {
      // It still has the memory that somebody else is waiting for.
      const failure = sleepFailed(event.reason);
      const stopped = stop(knowing(now, failure), life.process, REST, now.policy.abandonGraceMs);
      return { ...stopped, effects: [{ type: 'report_failure', failure, next: 'rest' }, ...stopped.effects] };
    }
    default:
      return goingToSleep(now, life.process, event);
  }
}

export function asleep(now: Now, { process }: In<'asleep'>, event: Event): Step {
  if (event.type !== 'start') return goingToSleep(now, process, event);
  return enter(now, { state: 'starting', step: 'clearing', sleeper: process }, (epoch) => [{ type: 'await_clearance', epoch }]);
}

/** What falling asleep and sleeping have in common: the process may end, and it may be told to. */
function goingToSleep(now: Now, process: ProcessRef, event: Event, graceMs = now.policy.abandonGraceMs): Step {
  switch (event.type) {
    case 'exited':
      // Nobody needs it now; whoever does starts it from the beginning.
      return sweep(knowing(now, event.failure), REST, process, [{ type: 'report_failure', failure: event.failure, next: 'rest' }]);
    case 'stop':
    case 'drain':
      return stop(now, process, REST, graceMs);
    case 'restart':
      return stop(now, process, RESTART, graceMs);
    default:
      return unchanged(now);
  }
}
