import type { Degradation, WorkerFailure, WorkerState, WorkerView } from '../../core/worker.ts';
import type { Log, LogLevel } from '../../core/log/log.ts';

const STATE_LEVELS: Readonly<Record<WorkerState, Exclude<LogLevel, 'silent'>>> = {
  idle: 'info',
  starting: 'info',
  warming: 'info',
  ready: 'info',
  draining: 'info',
  drained: 'info',
  stopping: 'info',
  backoff: 'warn',
  failed: 'error',
};

/** A line for each thing that is new in a worker's view: its state, a failure (null: none), a setting relaxed or given back. */
export function logWorkerChange(log: Log, view: WorkerView, previous: WorkerView | null, failure: WorkerFailure | null): void {
  if (failure) {
    const { class: kind, phase, message, advice } = failure;
    log.write(view.state === 'failed' ? 'error' : 'warn', 'worker.failure', 'worker failed', {
      worker: view.id,
      class: kind,
      phase,
      message,
      advice,
    });
  }
  if (view.state !== previous?.state) {
    log.write(STATE_LEVELS[view.state], 'worker.state', `worker ${view.state}`, {
      worker: view.id,
      state: view.state,
      previous_state: previous?.state,
      stage: view.stage,
      models: view.models.map((model) => model.id),
      url: view.url,
      pid: view.pid,
      restarts: view.restarts,
      eta_seconds: view.etaSeconds,
      engine: view.engine,
      engine_version: view.engineVersion,
      profile: view.profile,
    });
  } else if (view.stage !== previous.stage) {
    log.debug('worker.stage', 'worker start has come further', { worker: view.id, stage: view.stage });
  }
  // Another model has other settings; nothing was relaxed or given back.
  if (previous && previous.models[0]?.id !== view.models[0]?.id) return;
  const steps = view.degradation.map(inWords);
  const earlier = previous?.degradation.map(inWords) ?? [];
  if (steps.join() === earlier.join()) return;
  const relaxed = steps.length >= earlier.length;
  log.write(relaxed ? 'warn' : 'info', 'worker.degraded', relaxed ? 'worker runs with relaxed settings' : 'worker settings given back', {
    worker: view.id,
    degradation: steps,
  });
}

function inWords({ setting, from, to, reason }: Degradation): string {
  return `${setting} ${from} -> ${to}: ${reason}`;
}
