import type { WorkerStage } from '../../gateway/core/worker.ts';
import { WORKER_STAGES } from '../../gateway/core/worker.ts';
import type { Failure } from '../failure/failure.ts';
import { startTimedOut, stoppedFromOutside, wakeFailed, warmUpFailed } from '../failure/failure.ts';
import { fail } from './judgement.ts';
import type { Effect, Event, Foundling, In, Life, Next, Now, ProcessRef, Step } from './life.ts';
import { phaseOf, phaseOfStage } from './life.ts';
import { freshPulse } from './serving.ts';
import { abandon, bury, enter, knowing, remain, rest, REST, RESTART, settle, stop, sweep, unchanged } from './moves.ts';

type Loading = In<'starting', { step: 'loading' }>;

export function starting(now: Now, life: In<'starting'>, event: Event): Step {
  switch (life.step) {
    case 'loading':
      return loading(now, life, event);
    case 'waking':
      return waking(now, life.process, event);
    case 'clearing':
      return life.sleeper ? stirring(now, life.sleeper, event) : launching(now, life, event);
    case 'spawning':
      return launching(now, life, event);
  }
}

/** A sleeper waits for its turn and for the memory that it has given back. */
function stirring(now: Now, process: ProcessRef, event: Event): Step {
  switch (event.type) {
    case 'vram_free':
      return enter(now, { state: 'starting', step: 'waking', process, begunAtMs: now.at.nowMs }, (epoch) => [{ type: 'wake', epoch }]);
    case 'vram_busy':
      return startCold(now, process, event.failure);
    default:
      return waking(now, process, event);
  }
}

function waking(now: Now, process: ProcessRef, event: Event): Step {
  switch (event.type) {
    case 'woken':
      return warm(now, process, 1, true);
    case 'wake_failed':
      return startCold(now, process, wakeFailed(event.reason));
    case 'exited': {
      const next: Next = { kind: 'retry', afterMs: 0 };
      return sweep(knowing(now, event.failure), next, process, [{ type: 'report_failure', failure: event.failure, next: 'retry' }]);
    }
    default:
      return whileLaunched(now, process, event);
  }
}

/** A sleeper that cannot be woken is as good as none: a start from the beginning needs nothing of it. */
function startCold(now: Now, process: ProcessRef, failure: Failure): Step {
  const stopped = stop(knowing(now, failure), process, { kind: 'retry', afterMs: 0 }, now.policy.abandonGraceMs);
  return { ...stopped, effects: [{ type: 'report_failure', failure, next: 'retry' }, ...stopped.effects] };
}

/** Before there is a process to wait for. */
function launching(now: Now, life: In<'starting', { step: 'clearing' | 'spawning' }>, event: Event): Step {
  const { policy, machine, at } = now;
  const spawning = life.step === 'spawning';
  switch (event.type) {
    case 'vram_free':
      return enter(now, { state: 'starting', step: 'spawning' }, () => [{ type: 'spawn', incarnation: machine.incarnation }]);
    case 'vram_busy':
    case 'spawn_failed': {
      const failed = fail(now, event.failure, event.type === 'vram_busy');
      return settle({ ...now, machine: failed.machine }, failed.next, failed.effects);
    }
    case 'spawned':
      return load(now, { pid: event.pid, spawnedAtMs: at.nowMs }, 'process', []);
    case 'stop':
    case 'drain':
      return spawning ? stop(now, null, REST, policy.abandonGraceMs) : rest(now);
    default:
      return unchanged(now);
  }
}

function load(now: Now, process: ProcessRef, stage: WorkerStage, before: readonly Effect[]): Step {
  const { policy, at } = now;
  const life: Loading = { state: 'starting', step: 'loading', process, stage, stageAtMs: at.nowMs, loaded: 0, progressAtMs: at.nowMs };
  const leftMs = Math.max(policy.probeIntervalMs, process.spawnedAtMs + policy.startTimeoutMs - at.nowMs);
  return enter(now, life, (epoch) => [
    ...before,
    { type: 'set_timer', timer: 'deadline', epoch, afterMs: leftMs },
    { type: 'set_timer', timer: 'probe', epoch, afterMs: policy.probeIntervalMs },
  ]);
}

/** Takes over what an earlier supervisor has left running. */
export function adopt(now: Now, { incarnation, pid, spawnedAtMs, found }: Foundling): Step {
  const process = { pid, spawnedAtMs };
  const history = { ...now.machine.history, hasServed: found.kind !== 'loading' };
  const known = { ...now, machine: { ...now.machine, incarnation, history } };
  if (found.kind === 'loading') return load(known, process, found.stage, [{ type: 'hold_turn' }]);
  if (found.kind === 'asleep') return enter(known, { state: 'asleep', process }, () => []);
  const life: Life = { state: 'ready', process, sinceMs: found.sinceMs, pulse: freshPulse(now.at) };
  return enter(known, life, (epoch) => [{ type: 'set_timer', timer: 'probe', epoch, afterMs: now.policy.probeIntervalMs }]);
}

function loading(now: Now, life: Loading, event: Event): Step {
  const { policy, machine, at } = now;
  switch (event.type) {
    case 'progress': {
      if (event.told) return whileLaunched(now, life.process, event);
      const stage = later(life.stage, event.stage);
      const news = stage !== life.stage;
      const loaded = Math.max(life.loaded, event.loaded ?? 0);
      const effects: Effect[] = event.serving ? [{ type: 'probe', epoch: machine.epoch, depth: 'serving' }] : [];
      if (news || loaded !== life.loaded) effects.push({ type: 'publish' });
      return remain(now, { ...life, stage, stageAtMs: news ? at.nowMs : life.stageAtMs, loaded, progressAtMs: at.nowMs }, effects);
    }
    case 'timer': {
      if (event.timer === 'probe') return remain(now, life, [{ type: 'probe', epoch: machine.epoch, depth: 'serving' }]);
      const leftMs = life.progressAtMs + policy.stallMs - at.nowMs;
      if (leftMs > 0) return remain(now, life, [{ type: 'set_timer', timer: 'deadline', epoch: machine.epoch, afterMs: leftMs }]);
      return abandon(now, life.process, startTimedOut(phaseOfStage(life.stage), at.nowMs - life.process.spawnedAtMs));
    }
    case 'probe_failed':
      return remain(now, life, [{ type: 'set_timer', timer: 'probe', epoch: machine.epoch, afterMs: policy.probeIntervalMs }]);
    case 'probe_ok':
      return warm(now, life.process, 1);
    default:
      return whileLaunched(now, life.process, event);
  }
}

function later(known: WorkerStage, seen: WorkerStage | null): WorkerStage {
  return seen !== null && WORKER_STAGES.indexOf(seen) > WORKER_STAGES.indexOf(known) ? seen : known;
}

function warm(now: Now, process: ProcessRef, attempt: number, brief = false): Step {
  return enter(now, { state: 'warming', process, attempt }, (epoch) => [{ type: 'warm_up', epoch, brief }]);
}

export function warming(now: Now, life: In<'warming'>, event: Event): Step {
  const { policy, machine, at } = now;
  switch (event.type) {
    case 'warmed': {
      const next: Life = { state: 'ready', process: life.process, sinceMs: at.nowMs, pulse: freshPulse(at) };
      // It has what it needs: what its start waited for, or failed of, is over.
      const history = { ...machine.history, busySinceMs: null, sameStart: null, hasServed: true };
      return enter(now, next, (epoch) => [{ type: 'set_timer', timer: 'probe', epoch, afterMs: policy.healthIntervalMs }], { history });
    }
    case 'warm_up_failed':
      if (life.attempt >= policy.warmUpAttempts) return abandon(now, life.process, warmUpFailed(event.reason));
      return remain(now, life, [{ type: 'set_timer', timer: 'probe', epoch: machine.epoch, afterMs: policy.warmUpPauseMs }]);
    case 'timer':
      return warm(now, life.process, life.attempt + 1);
    default:
      return whileLaunched(now, life.process, event);
  }
}

/** What starting and warming have in common once there is a process: it may die, and it may be told to go. */
function whileLaunched(now: Now, process: ProcessRef, event: Event): Step {
  const { abandonGraceMs } = now.policy;
  switch (event.type) {
    case 'exited':
      return bury(now, process, event.failure);
    case 'progress':
      return event.told ? abandon(now, process, stoppedFromOutside(phaseOf(now.machine, 'load'))) : unchanged(now);
    case 'stop':
    case 'drain':
      return stop(now, process, REST, abandonGraceMs);
    case 'restart':
      return stop(now, process, RESTART, abandonGraceMs);
    default:
      return unchanged(now);
  }
}
