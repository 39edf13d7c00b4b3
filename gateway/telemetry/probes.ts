import { canServe, WORKER_STAGES } from '../core/worker.ts';
import type { WorkerDirectory, WorkerView } from '../core/worker.ts';

export interface ProbeFacts {
  readonly directory: WorkerDirectory;
  readonly draining: boolean;
  readonly settingsLoaded: boolean;
  /** Whether any worker has ever been ready in this process's life. */
  readonly everReady: boolean;
  /** Whether the store that gateways share answers; null: there is none. Nobody is less ready without it. */
  readonly storeUp?: boolean | null;
}

export interface ProbeAnswer {
  readonly status: 200 | 503;
  /** Goes out as JSON. */
  readonly body: object;
}

/** /health and /livez: the process serves. Workers and draining do not matter: a restart of the gateway would mend neither. */
export function liveness(version: string): ProbeAnswer {
  return { status: 200, body: { status: 'ok', version } };
}

/** /readyz: whether requests should be sent here. `verbose` adds every check and how far each worker has come. */
export function readiness(facts: ProbeFacts, verbose: boolean): ProbeAnswer {
  const model = facts.directory.resolve(null);
  const checks = {
    settings: facts.settingsLoaded,
    not_draining: !facts.draining,
    default_model: model !== null && canServe(facts.directory, model),
  };
  const answer = answerOf(checks, 'ready', 'not_ready');
  if (!verbose) return answer;
  const { storeUp = null } = facts;
  const store = storeUp === null ? {} : { store: storeUp ? 'up' : 'away' };
  const workers = facts.directory.workers().map(({ view }) => progressOf(view));
  return { status: answer.status, body: { ...answer.body, checks: inWords(checks), ...store, default_model: model?.id ?? null, workers } };
}

/** /startupz: 503 until settings are loaded and a worker has been ready once, then 200 for good. */
export function startup(facts: Pick<ProbeFacts, 'settingsLoaded' | 'everReady'>): ProbeAnswer {
  return answerOf({ settings: facts.settingsLoaded, first_worker: facts.everReady }, 'started', 'starting');
}

function answerOf(checks: Readonly<Record<string, boolean>>, good: string, bad: string): ProbeAnswer {
  const failed = Object.keys(checks).filter((name) => !checks[name]);
  return failed.length === 0 ? { status: 200, body: { status: good } } : { status: 503, body: { status: bad, failed } };
}

function inWords(checks: Readonly<Record<string, boolean>>): Record<string, 'ok' | 'failed'> {
  return Object.fromEntries(Object.entries(checks).map(([name, ok]) => [name, ok ? 'ok' : 'failed']));
}

function progressOf(view: WorkerView): object {
  const reached = view.stage === null ? -1 : WORKER_STAGES.indexOf(view.stage);
  return {
    id: view.id,
    state: view.state,
    stage: view.stage,
    stages: Object.fromEntries(WORKER_STAGES.map((stage, index) => [stage, index <= reached])),
    eta_seconds: view.etaSeconds,
  };
}
