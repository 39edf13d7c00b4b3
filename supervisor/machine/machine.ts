import { served } from '../ladder/ladder.ts';
import type { Event, In, Machine, Moment, Now, Rules, Step } from './life.ts';
import { servingSinceMs } from './life.ts';
import { begin, beginAfresh, REST, rest, RESTART, sweep, unchanged } from './moves.ts';
import { leaving, serving } from './serving.ts';
import { asleep, dozing, emptying } from './sleeping.ts';
import { adopt, starting, warming } from './starting.ts';
import { stopping } from './stopping.ts';

/** The next state of a worker and what is to be done. Pure: the same input gives the same output. An event out of place changes nothing. */
export function step({ policy, wanted }: Rules, machine: Machine, event: Event, at: Moment): Step {
  const now: Now = { policy, wanted, machine, at };
  if ('epoch' in event && event.epoch !== machine.epoch) return unchanged(now);
  if ('incarnation' in event && event.incarnation !== machine.incarnation) return unchanged(now);
  if (event.type === 'outdated') return outdate(now);
  return noteService(now, react(now, event));
}

function react(now: Now, heard: Event): Step {
  const { life } = now.machine;
  const event = heard.type === 'sleep' && life.state !== 'ready' ? ({ type: 'stop' } as const) : heard;
  switch (life.state) {
    case 'idle':
    case 'failed':
      return atRest(now, event);
    case 'starting':
      return starting(now, life, event);
    case 'warming':
      return warming(now, life, event);
    case 'ready':
      return serving(now, life, event);
    case 'draining':
      return draining(now, life, event);
    case 'asleep':
      return asleep(now, life, event);
    case 'stopping':
      return stopping(now, life, event);
    case 'backoff':
      return waiting(now, event);
  }
}

function draining(now: Now, life: In<'draining'>, event: Event): Step {
  switch (life.step) {
    case 'stalled':
      return serving(now, life, event);
    case 'told':
      return leaving(now, life, event);
    case 'emptying':
      return emptying(now, life, event);
    case 'dozing':
      return dozing(now, life, event);
  }
}

function atRest(now: Now, event: Event): Step {
  const failed = now.machine.life.state === 'failed';
  // What could not be ended before may still be there, and holds the GPU: after a failure nothing begins or is over without a sweep.
  if (event.type === 'start' || event.type === 'restart') return failed ? sweep(now, RESTART, null) : beginAfresh(now);
  if (event.type === 'stop' && failed) return sweep(now, REST, null);
  if (event.type === 'timer' && failed) return sweep(now, { kind: 'again' }, null);
  // Only a supervisor that has not begun anything may find anything.
  if (event.type === 'adopt' && now.machine.epoch === 0) return adopt(now, event.foundling);
  return unchanged(now);
}

function waiting(now: Now, event: Event): Step {
  // What has just run out of memory is not tried with more of it.
  if (event.type === 'timer') return begin(now, now.machine.history, now.machine.history.lastFailure?.retry !== 'relax');
  if (event.type === 'start' || event.type === 'restart') return beginAfresh(now);
  if (event.type === 'stop' || event.type === 'drain') return rest(now);
  return unchanged(now);
}

/** Nobody restarts a worker just for what may be taken back. */
function outdate({ machine }: Now): Step {
  if (machine.footing.outdated || machine.footing.steps.length === 0) return { machine, effects: [] };
  const footing = { ...machine.footing, outdated: true };
  return { machine: { ...machine, footing }, effects: [{ type: 'save_footing', change: null, step: null, failure: null }] };
}

/** A worker that stops serving has shown for how long its settings were good. */
function noteService({ policy, machine, at }: Now, result: Step): Step {
  const sinceMs = servingSinceMs(machine.life);
  if (sinceMs === null || servingSinceMs(result.machine.life) !== null) return result;
  const footing = served(policy, result.machine.footing, at.nowMs - sinceMs);
  const worthKeeping = footing.steps.length > 0 || machine.footing.climbed !== footing.climbed;
  return {
    machine: { ...result.machine, footing },
    effects: worthKeeping ? [...result.effects, { type: 'save_footing', change: null, step: null, failure: null }] : result.effects,
  };
}
