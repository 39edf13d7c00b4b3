import { readLease } from './read-lease.ts';
import type { SupervisedModel, SupervisorSnapshot, SwapView } from './snapshot.ts';
import {
  REFUSABLE_FEATURES,
  type ModelState,
  type RefusedFeature,
  type ServedModel,
  type WorkerState,
  type WorkerView,
  UNSAID,
} from '../core/worker.ts';

const STATES: ReadonlySet<unknown> = new Set<WorkerState>([
  'idle',
  'starting',
  'warming',
  'ready',
  'draining',
  'drained',
  'stopping',
  'backoff',
  'failed',
]);

const FEATURES: ReadonlySet<unknown> = new Set<RefusedFeature>(REFUSABLE_FEATURES);

const MODEL_STATES: ReadonlySet<unknown> = new Set<ModelState>(['ready', 'loading', 'available', 'failed']);

/**
 * One line of the supervisor's watch. A supervisor outlives gateways and may be of another version, so what is missing gets its neutral
 * value and what is unknown is let through; only what routing needs must be there.
 * @throws when the line is not a snapshot
 */
export function readSnapshot(line: string): SupervisorSnapshot {
  const said: unknown = JSON.parse(line);
  if (!isRecord(said) || !Array.isArray(said['workers'])) throw new Error('The line is not a snapshot: it has no list of workers.');
  const neutral = {
    revision: 0,
    pid: 0,
    version: 'unknown',
    engine: 'vllm',
    engineReason: '',
    vllmVersion: null,
    profile: 'unknown',
    tuning: 'unknown',
    gpus: [],
  } as const;
  const { swaps, leases, ...rest } = said;
  const changes = Array.isArray(swaps) ? { swaps: swaps as readonly SwapView[] } : {};
  const lent = Array.isArray(leases) ? { leases: leases.map(readLease).filter((lease) => lease !== null) } : {};
  return {
    ...neutral,
    ...rest,
    ...changes,
    ...lent,
    workers: said['workers'].map(readWorker),
    models: list(said['models']).map(readModel),
  };
}

function readWorker(said: unknown): WorkerView {
  if (!isRecord(said) || !isName(said['id']) || typeof said['url'] !== 'string') {
    throw new Error('The snapshot has a worker without id or url.');
  }
  return {
    ...UNSAID,
    maxNumSeqs: 1,
    port: null,
    ...said,
    id: said['id'],
    url: said['url'],
    // An unknown state comes from a later version: nothing says that requests may be sent in it.
    state: STATES.has(said['state']) ? (said['state'] as WorkerState) : 'starting',
    models: list(said['models']).map(readServed),
    // An unknown feature comes from a later version: no call could be recognized by it.
    refuses: list(said['refuses']).filter(isFeature),
    scheduling: said['scheduling'] === 'priority' ? 'priority' : 'fcfs',
    ...(Array.isArray(said['gpus']) ? { gpus: said['gpus'].filter(isName) } : {}),
  };
}

function readServed(said: unknown): ServedModel {
  if (!isRecord(said) || !isName(said['id'])) throw new Error('The snapshot has a worker that serves a model without id.');
  return { root: null, parent: null, maxModelLen: null, ...said, id: said['id'] };
}

function readModel(said: unknown): SupervisedModel {
  if (!isRecord(said) || !isName(said['id'])) throw new Error('The snapshot has a model without id.');
  const aliases = list(said['aliases']).filter(isName);
  const capabilities = list(said['capabilities']).filter(isName);
  const { state, ...rest } = said;
  const known = MODEL_STATES.has(state) ? { state: state as ModelState } : {};
  return { source: said['id'], maxModelLen: null, ...rest, ...known, id: said['id'], aliases, capabilities };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isFeature(value: unknown): value is RefusedFeature {
  return FEATURES.has(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
