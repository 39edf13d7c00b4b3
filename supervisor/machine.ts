import type { WorkerStage } from '../gateway/core/worker.ts';
import { WORKER_STAGES } from '../gateway/core/worker.ts';
import type { Failure } from './failure.ts';
import { startTimedOut, unkillable, unresponsive, warmUpFailed, withCause } from './failure.ts';
import type { Effect, Event, History, Life, Machine, Moment, Next, ProcessRef, Step } from './life.ts';
import { freshHistory } from './life.ts';
import type { SupervisionPolicy } from './policy.ts';
import { judge } from './verdict.ts';

/** The next state of a worker and what is to be done. Pure: the same input gives the same output. An event out of place changes nothing. */
export function step(policy: SupervisionPolicy, machine: Machine, event: Event, at: Moment): Step {
  if ('epoch' in event && event.epoch !== machine.epoch) return unchanged(machine);
  if ('incarnation' in event && event.incarnation !== machine.incarnation) return unchanged(machine);
  switch (machine.life.state) {
    case 'idle':
    case 'failed':
      return atRest(machine, event);
    case 'starting':
      return machine.life.step === 'loading' ? loading(policy, machine, machine.life, event, at) : launching(policy, machine, event, at);
    case 'warming':
      return warming(policy, machine, machine.life, event, at);
    case 'ready':
      return ready(policy, machine, machine.life, event, at);
    case 'draining':
      return draining(policy, machine, machine.life, event);
    case 'stopping':
      return stopping(policy, machine, machine.life, event, at);
    case 'backoff':
      return waiting(machine, event);
  }
}

type In<S extends Life['state']> = Extract<Life, { state: S }>;
type Loading = Extract<Life, { step: 'loading' }>;

function unchanged(machine: Machine): Step {
  return { machine, effects: [] };
}

const REST: Next = { kind: 'rest' };
const RESTART: Next = { kind: 'restart' };

/** Into another life: its timers start from nothing, and a start that is over lets the next one begin. */
function enter(machine: Machine, life: Life, effects: (epoch: number) => readonly Effect[], changes: Partial<Machine> = {}): Step {
  const epoch = machine.epoch + 1;
  const release: Effect[] = isStart(machine.life) && !isStart(life) ? [{ type: 'release_clearance' }] : [];
  return {
    machine: { ...machine, ...changes, life, epoch },
    effects: [{ type: 'cancel_timers' }, ...release, ...effects(epoch), { type: 'publish' }],
  };
}

function isStart(life: Life): boolean {
  return life.state === 'starting' || life.state === 'warming';
}

function begin(machine: Machine, history: History = machine.history): Step {
  return enter(machine, { state: 'starting', step: 'clearing' }, (epoch) => [{ type: 'await_clearance', epoch }], {
    incarnation: machine.incarnation + 1,
    history,
  });
}

/** An operator's wish forgets what went wrong before, except for the report of it. */
function beginAfresh(machine: Machine): Step {
  return begin(machine, { ...freshHistory(), lastFailure: machine.history.lastFailure });
}

function rest(machine: Machine): Step {
  return enter(machine, { state: 'idle' }, () => []);
}

function atRest(machine: Machine, event: Event): Step {
  const failed = machine.life.state === 'failed';
  // What could not be ended before may still be there, and holds the GPU: after a failure nothing begins or is over without a sweep.
  if (event.type === 'start' || event.type === 'restart') return failed ? sweep(machine, RESTART, [], null) : beginAfresh(machine);
  if (event.type === 'stop' && failed) return sweep(machine, REST, [], null);
  return unchanged(machine);
}

function waiting(machine: Machine, event: Event): Step {
  if (event.type === 'timer') return begin(machine);
  if (event.type === 'start' || event.type === 'restart') return beginAfresh(machine);
  if (event.type === 'stop' || event.type === 'drain') return rest(machine);
  return unchanged(machine);
}

/** Before there is a process to wait for. */
function launching(policy: SupervisionPolicy, machine: Machine, event: Event, at: Moment): Step {
  const spawning = machine.life.state === 'starting' && machine.life.step === 'spawning';
  switch (event.type) {
    case 'vram_free':
      return enter(machine, { state: 'starting', step: 'spawning' }, () => [{ type: 'spawn', incarnation: machine.incarnation }]);
    case 'vram_busy':
    case 'spawn_failed':
      return settle(...fail(policy, machine, event.failure, at), at);
    case 'spawned': {
      const process = { pid: event.pid, spawnedAtMs: at.nowMs };
      const life: Life = { state: 'starting', step: 'loading', process, stage: 'process', progressAtMs: at.nowMs };
      return enter(machine, life, (epoch) => [
        { type: 'set_timer', timer: 'deadline', epoch, afterMs: policy.startTimeoutMs },
        { type: 'set_timer', timer: 'probe', epoch, afterMs: policy.probeIntervalMs },
      ]);
    }
    case 'stop':
    case 'drain':
      return spawning ? stop(policy, machine, null, REST, policy.abandonGraceMs) : rest(machine);
    default:
      return unchanged(machine);
  }
}

function loading(policy: SupervisionPolicy, machine: Machine, life: Loading, event: Event, at: Moment): Step {
  switch (event.type) {
    case 'progress': {
      const stage = later(life.stage, event.stage);
      const next: Machine = { ...machine, life: { ...life, stage, progressAtMs: at.nowMs } };
      const effects: Effect[] = event.serving ? [{ type: 'probe', epoch: machine.epoch, depth: 'serving' }] : [];
      if (stage !== life.stage) effects.push({ type: 'publish' });
      return { machine: next, effects };
    }
    case 'timer': {
      if (event.timer === 'probe') return { machine, effects: [{ type: 'probe', epoch: machine.epoch, depth: 'serving' }] };
      const leftMs = life.progressAtMs + policy.stallMs - at.nowMs;
      if (leftMs > 0) return { machine, effects: [{ type: 'set_timer', timer: 'deadline', epoch: machine.epoch, afterMs: leftMs }] };
      return abandon(policy, machine, life.process, startTimedOut(life.stage, at.nowMs - life.process.spawnedAtMs), at);
    }
    case 'probe_failed':
      return { machine, effects: [{ type: 'set_timer', timer: 'probe', epoch: machine.epoch, afterMs: policy.probeIntervalMs }] };
    case 'probe_ok':
      return warm(machine, life.process, 1);
    default:
      return whileLaunched(policy, machine, life.process, event, at);
  }
}

function later(known: WorkerStage, seen: WorkerStage | null): WorkerStage {
  return seen !== null && WORKER_STAGES.indexOf(seen) > WORKER_STAGES.indexOf(known) ? seen : known;
}

function warm(machine: Machine, process: ProcessRef, attempt: number): Step {
  return enter(machine, { state: 'warming', process, attempt }, (epoch) => [{ type: 'warm_up', epoch }]);
}

function warming(policy: SupervisionPolicy, machine: Machine, life: In<'warming'>, event: Event, at: Moment): Step {
  switch (event.type) {
    case 'warmed':
      return enter(machine, { state: 'ready', process: life.process, sinceMs: at.nowMs, missedProbes: 0 }, (epoch) => [
        { type: 'set_timer', timer: 'probe', epoch, afterMs: policy.healthIntervalMs },
      ]);
    case 'warm_up_failed':
      if (life.attempt >= policy.warmUpAttempts) return abandon(policy, machine, life.process, warmUpFailed(event.reason), at);
      return { machine, effects: [{ type: 'set_timer', timer: 'probe', epoch: machine.epoch, afterMs: policy.warmUpPauseMs }] };
    case 'timer':
      return warm(machine, life.process, life.attempt + 1);
    default:
      return whileLaunched(policy, machine, life.process, event, at);
  }
}

/** What starting and warming have in common once there is a process: it may die, and it may be told to go. */
function whileLaunched(policy: SupervisionPolicy, machine: Machine, process: ProcessRef, event: Event, at: Moment): Step {
  switch (event.type) {
    case 'exited':
      return sweep(...fail(policy, machine, event.failure, at), process);
    case 'stop':
    case 'drain':
      return stop(policy, machine, process, REST, policy.abandonGraceMs);
    case 'restart':
      return stop(policy, machine, process, RESTART, policy.abandonGraceMs);
    default:
      return unchanged(machine);
  }
}

function ready(policy: SupervisionPolicy, machine: Machine, life: In<'ready'>, event: Event, at: Moment): Step {
  const probeLater: Effect = { type: 'set_timer', timer: 'probe', epoch: machine.epoch, afterMs: policy.healthIntervalMs };
  switch (event.type) {
    case 'timer':
      return { machine, effects: [{ type: 'probe', epoch: machine.epoch, depth: 'health' }] };
    case 'probe_ok':
      return { machine: { ...machine, life: { ...life, missedProbes: 0 } }, effects: [probeLater] };
    case 'probe_failed': {
      const missedProbes = event.timedOut ? life.missedProbes : life.missedProbes + 1;
      if (missedProbes >= policy.healthMisses) return abandon(policy, machine, life.process, unresponsive(event.reason), at);
      return { machine: { ...machine, life: { ...life, missedProbes } }, effects: [probeLater] };
    }
    case 'exited':
      return sweep(...fail(policy, machine, event.failure, at), life.process);
    case 'stop':
    case 'drain':
      return drain(policy, machine, life.process, REST);
    case 'restart':
      return drain(policy, machine, life.process, RESTART);
    default:
      return unchanged(machine);
  }
}

function drain(policy: SupervisionPolicy, machine: Machine, process: ProcessRef, then: Next): Step {
  return enter(machine, { state: 'draining', process, then }, (epoch) => [
    { type: 'set_timer', timer: 'settle', epoch, afterMs: policy.settleMs },
  ]);
}

function draining(policy: SupervisionPolicy, machine: Machine, life: In<'draining'>, event: Event): Step {
  switch (event.type) {
    case 'timer':
      return stop(policy, machine, life.process, life.then, policy.stopGraceMs);
    case 'stop':
      return { machine: { ...machine, life: { ...life, then: REST } }, effects: [] };
    case 'restart':
      return { machine: { ...machine, life: { ...life, then: RESTART } }, effects: [] };
    case 'exited': {
      const history = { ...machine.history, lastFailure: event.failure };
      return sweep({ ...machine, history }, life.then, [], life.process);
    }
    default:
      return unchanged(machine);
  }
}

/**
 * SIGTERM goes to the leader alone: it finishes its requests, then takes its engine down. The group is signalled only when that has
 * taken too long, and SIGKILL never goes to the leader alone: its orphaned engine would keep the GPU's memory.
 */
function stop(policy: SupervisionPolicy, machine: Machine, process: ProcessRef | null, then: Next, graceMs: number): Step {
  return enter(machine, { state: 'stopping', step: 'leader', process, then }, (epoch) => [
    ...(process ? [{ type: 'terminate_leader', pid: process.pid } as const] : []),
    { type: 'set_timer', timer: 'escalate', epoch, afterMs: Math.max(graceMs, policy.groupGraceMs) },
  ]);
}

function stopping(policy: SupervisionPolicy, machine: Machine, life: In<'stopping'>, event: Event, at: Moment): Step {
  switch (event.type) {
    case 'stop':
      return { machine: { ...machine, life: { ...life, then: REST } }, effects: [] };
    case 'restart':
      return { machine: { ...machine, life: { ...life, then: RESTART } }, effects: [] };
    case 'spawned': {
      const process = { pid: event.pid, spawnedAtMs: at.nowMs };
      return { machine: { ...machine, life: { ...life, process } }, effects: [{ type: 'terminate_leader', pid: event.pid }] };
    }
    case 'spawn_failed':
      return settle(machine, life.then, [], at);
    case 'exited':
      return life.step === 'sweep' ? unchanged(machine) : sweep(...heard(machine, life.then, event.failure), [], life.process);
    case 'swept':
      if (event.survivors.length > 0) return giveUp(machine, unkillable(event.survivors));
      return settle(machine, life.then, [], at);
    case 'timer':
      return escalate(policy, machine, life);
    default:
      return unchanged(machine);
  }
}

/** A failure that was noticed before the process ended gets the words it ended with. */
function heard(machine: Machine, then: Next, exit: Failure): [Machine, Next] {
  const last = machine.history.lastFailure;
  if (then.kind === 'rest' || then.kind === 'restart' || !last) return [machine, then];
  const lastFailure = withCause(last, exit);
  const next: Next = then.kind === 'give_up' ? { ...then, failure: withCause(then.failure, exit) } : then;
  return [{ ...machine, history: { ...machine.history, lastFailure } }, next];
}

function escalate(policy: SupervisionPolicy, machine: Machine, life: In<'stopping'>): Step {
  const pid = life.process?.pid;
  if (life.step === 'sweep') return unchanged(machine);
  // The spawn that is under way will be answered, one way or the other: nothing can be ended before that.
  const again: Effect = { type: 'set_timer', timer: 'escalate', epoch: machine.epoch, afterMs: policy.groupGraceMs };
  if (pid === undefined) return { machine, effects: [again] };
  if (life.step === 'kill') return sweep(machine, life.then, [], life.process);
  const [step, type] = life.step === 'leader' ? (['group', 'terminate_group'] as const) : (['kill', 'kill_group'] as const);
  return enter(machine, { ...life, step }, (epoch) => [
    { type, pid },
    { type: 'set_timer', timer: 'escalate', epoch, afterMs: policy.groupGraceMs },
  ]);
}

/** The process has to go, and the failure decides what comes after. */
function abandon(policy: SupervisionPolicy, machine: Machine, process: ProcessRef, failure: Failure, at: Moment): Step {
  const [failed, next, effects] = fail(policy, machine, failure, at);
  const stopped = stop(policy, failed, process, next, policy.abandonGraceMs);
  return { ...stopped, effects: [...effects, ...stopped.effects] };
}

/** Books a failure and decides what follows. */
function fail(policy: SupervisionPolicy, machine: Machine, failure: Failure, at: Moment): [Machine, Next, Effect[]] {
  const readySinceMs = machine.life.state === 'ready' ? machine.life.sinceMs : null;
  const { history, verdict } = judge(policy, machine.history, failure, readySinceMs, at);
  const effects: Effect[] = [{ type: 'report_failure', failure, next: verdict.kind }];
  if (failure.retry === 'next_port') effects.push({ type: 'take_next_port' });
  return [{ ...machine, history }, verdict, effects];
}

function sweep(machine: Machine, then: Next, before: readonly Effect[], process: ProcessRef | null): Step {
  return enter(machine, { state: 'stopping', step: 'sweep', process, then }, (epoch) => [...before, { type: 'sweep', epoch }]);
}

function giveUp(machine: Machine, failure: Failure): Step {
  return enter(machine, { state: 'failed', failure }, () => [{ type: 'report_failure', failure, next: 'give_up' }], {
    history: { ...machine.history, lastFailure: failure },
  });
}

/** Nothing is left of the process. */
function settle(machine: Machine, then: Next, before: readonly Effect[], at: Moment): Step {
  const after = next(machine, then, at);
  return { ...after, effects: [...before, ...after.effects] };
}

function next(machine: Machine, then: Next, at: Moment): Step {
  switch (then.kind) {
    case 'rest':
      return rest(machine);
    case 'restart':
      return beginAfresh(machine);
    case 'give_up':
      return enter(machine, { state: 'failed', failure: then.failure }, () => []);
    case 'retry':
      return enter(machine, { state: 'backoff', untilMs: at.nowMs + then.afterMs }, (epoch) => [
        { type: 'set_timer', timer: 'backoff', epoch, afterMs: then.afterMs },
      ]);
  }
}
